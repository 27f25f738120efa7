"""`pnetkit cohort`: take cohorts in, look at them, split them, hand them on, or generate one of phantoms."""

from pathlib import Path
from typing import Any

import click

from pnetkit.cli.as_json import JSON, json_alone, print_json
from pnetkit.cli.console import echo
from pnetkit.cli.structures import FILES_OF_CASES, FOLDERS_OF_CASES, labels_of, of_structures, require_fitting


@click.group()
def cohort() -> None:
    """Import, check, split and export cohorts, or generate one of phantoms."""


@cohort.command("check")
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--recipe", "recipe_path", type=click.Path(path_type=Path), help="Take phases and labels from a recipe.")
@click.option("--phase", "phases", multiple=True, help="A phase to expect; repeatable. [default: arterial, venous]")
@click.option("--workers", type=click.IntRange(min=0), help="Worker processes. [default: one for each core]")
@click.option(
    "--audit", "is_audited", is_flag=True, help="Look for what public sets are known for (docs/public-cohorts.md)."
)
@click.option("--audit-csv", type=click.Path(path_type=Path), help="Write every remark of the audit as CSV.")
@click.option("--audit-page", type=click.Path(path_type=Path), help="Write every remark of the audit as a page (HTML).")
@click.option("--least-voxels", default=50, show_default=True, type=click.IntRange(min=0), help="Of a tumor; --audit.")
@click.option("--least-mm3", default=0.0, show_default=True, type=click.FloatRange(min=0), help="Of a tumor; --audit.")
@click.option(
    "--off-mm", default=5.0, show_default=True, type=click.FloatRange(min=0), help="Off the pancreas; --audit."
)
@JSON
def check(
    *,
    table: Path,
    recipe_path: Path | None,
    phases: tuple[str, ...],
    workers: int | None,
    is_audited: bool,
    audit_csv: Path | None,
    audit_page: Path | None,
    as_json: bool,
    **limits: float,
) -> None:
    """Open every file of the cohort TABLE (CSV), describe it in numbers, and list every fault."""
    from pnetkit.cli.audit import audit_cohort
    from pnetkit.cohort.check import LabelPolicy
    from pnetkit.cohort.checked import check_cohort
    from pnetkit.cohort.fingerprint import fingerprint
    from pnetkit.cohort.lost import lost_notes
    from pnetkit.errors import CohortError, counted
    from pnetkit.pipeline.engine.workers import WorkerPool
    from pnetkit.pipeline.plan.cohort import fit_for_inputs, label_policy
    from pnetkit.processors import usable_processors
    from pnetkit.recipe.check import load_recipe

    policy, wanted, recipe = LabelPolicy(), phases or ("arterial", "venous"), None
    if recipe_path:
        recipe = load_recipe(recipe_path).recipe
        policy, wanted = label_policy(recipe), phases or recipe.phases
    audited: Any = None
    with json_alone(as_json), WorkerPool(usable_processors() if workers is None else workers, threads=1) as pool:
        if is_audited or audit_csv or audit_page:
            audited = audit_cohort(table, wanted, policy, pool, limits=limits, csv=audit_csv, page=audit_page)
        checked, lost = check_cohort(table, wanted, policy, pool), []
        if recipe is not None:
            checked = fit_for_inputs(checked, recipe)
            good = [item for item in checked.cases if not item.faults]
            at = recipe.preprocess.spacing
            if at is not None:
                for phase in dict.fromkeys(found.phases[0] for found in recipe.networks.values()):
                    lost += lost_notes(good, phase, at, policy, pool)
    faults = [fault for item in checked.cases for fault in item.faults]
    found = fingerprint(checked.cases)
    if as_json:
        remarks = None if audited is None else {"counts": audited.counts, "remarks": audited.remarks}
        print_json({"fingerprint": found, "notes": [*checked.notes, *lost], "faults": faults, "audit": remarks})
    with json_alone(as_json):
        for line in found.lines:
            echo(line)
        for note in [*checked.notes, *lost]:
            echo(f"note: {note}")
    if faults:
        raise CohortError(f"{table}: {counted(len(faults), 'fault')} in {counted(len(checked.cases), 'case')}:", faults)
    echo(checked.summary(), err=as_json)


@cohort.command("import")
@click.argument("layout", type=click.Choice([*FILES_OF_CASES, *FOLDERS_OF_CASES]))
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The table to write (CSV).")
@click.option(
    "--phase", "phases", multiple=True, required=True, metavar="WHAT=PHASE",
    help="What stands for a phase: a channel (nnunet: 0=arterial), a key (monai: image=venous), a word (pattern; "
    "pants: Venous=venous), or ct for all.",
)  # fmt: skip
@click.option("--images", help="pattern: paths below SOURCE with {case}, and {phase} or {patient}.")
@click.option("--labels", help="pattern: the labels' paths; panorama: their folder.")
@click.option("--diagnoses", type=click.Path(path_type=Path), help="CSV with case_id and abnormal (1, 0 or empty).")
@click.option("--abnormal-label", "abnormal", type=int, multiple=True, help="Cases whose labels hold it are abnormal.")
@click.option("--splits", type=click.Path(path_type=Path), help="nnU-Net's splits_final.json, for the folds.")
@click.option(
    "--metadata", type=click.Path(path_type=Path), help="The set's own table (xlsx or CSV), if it lies elsewhere."
)
@click.option(
    "--combined",
    type=click.Path(path_type=Path),
    help="Write each case's structures as one label map into this folder.",
)
@click.option(
    "--structure",
    "structures",
    multiple=True,
    metavar="NAME=LABEL",
    help="A structure's file that is pancreas, tumor or duct, beside the usual ones; repeatable.",
)
@click.option("--workers", type=click.IntRange(min=0), help="Worker processes. [default: one for each core]")
def import_command(
    *,
    layout: str,
    source: Path,
    out: Path,
    phases: tuple[str, ...],
    images: str | None,
    labels: str | None,
    diagnoses: Path | None,
    abnormal: tuple[int, ...],
    splits: Path | None,
    metadata: Path | None,
    combined: Path | None,
    structures: tuple[str, ...],
    workers: int | None,
) -> None:
    """Write a cohort's table for data laid out for another tool, or as a public set is; no image is copied.

    Label values stay as they are in the files: map them in the recipe's cohort.labels.
    """
    from pnetkit.cohort import importing

    named = _mapping(phases)
    require_fitting(layout, metadata, combined, structures)
    if layout in FOLDERS_OF_CASES:
        entries, notes = of_structures(layout, source, named, metadata, combined, labels_of(structures), workers)
    else:
        entries, notes = _entries(layout, source, named, images, labels), []
    if layout == "panorama" and metadata is not None:
        from pnetkit.cohort.panorama_sheet import with_sheet

        entries, notes = with_sheet(entries, metadata)
    if labels is not None and entries and not any(entry.labels for entry in entries):
        notes.append(f"no case has a label where --labels says: {labels}")
    if splits is not None:
        entries, said = importing.with_splits(entries, splits)
        notes.append(said)
    known = {entry.case_id: entry.abnormal for entry in entries}
    if abnormal:
        of_labels, said = importing.diagnoses_of_labels(entries, abnormal)
        notes += [said, importing.overruled(known, of_labels)]
        known |= {case: says for case, says in of_labels.items() if says is not None}
    if diagnoses is not None:
        of_table = importing.diagnoses_of_table(diagnoses)
        notes.append(importing.strangers(entries, of_table, diagnoses))
        known |= of_table
    importing.write_text(out, importing.table_text(entries, list(dict.fromkeys(named.values())), known, out))
    for note in filter(None, notes):
        echo(f"note: {note}")
    unknown = sum(known.get(entry.case_id) is None for entry in entries)
    click.echo(f"{len(entries)} cases ({unknown} of unknown diagnosis): {out}. Look at it: pnetkit cohort check {out}")


def _entries(layout: str, source: Path, phases: dict[str, str], images: str | None, labels: str | None) -> Any:
    from pnetkit.cohort import layouts

    if layout == "nnunet":
        return layouts.nnunet_cases(source, phases)
    if layout == "msd":
        return layouts.msd_cases(source, phases)
    if layout == "monai":
        return layouts.monai_cases(source, phases)
    if layout == "panorama":
        return layouts.panorama_cases(source, phases, None if labels is None else Path(labels))
    if images is None:
        raise click.UsageError("The layout 'pattern' needs --images, such as 'ct/{case}_{phase}.nii.gz'.")
    return layouts.pattern_cases(source, images, labels, phases)


def _mapping(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in given:
        what, equals, phase = text.partition("=")
        if not equals or not what or not phase.isidentifier() or what in found:
            raise click.BadParameter(f"wanted WHAT=PHASE, each once, got {text!r}", param_hint="--phase")
        found[what] = phase
    return found


@cohort.command("split")
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--folds", default=4, show_default=True, type=click.IntRange(min=2))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--dealing", default="even", show_default=True, type=click.Choice(["even", "stable"]), help="As cohort.dealing."
)
@click.option("--out", type=click.Path(path_type=Path), help="The table to write, with a fold column.")
@click.option("--nnunet", type=click.Path(path_type=Path), help="Write the folds as nnU-Net's splits_final.json.")
@JSON
def split(
    table: Path, folds: int, seed: int, dealing: Any, out: Path | None, nnunet: Path | None, as_json: bool
) -> None:
    """Deal the patients of TABLE into folds, stratified by diagnosis; folds that it has already are kept."""
    from pnetkit.cohort.folds import assign_folds
    from pnetkit.cohort.importing import splits_text, write_text
    from pnetkit.cohort.table import read_unphased_cohort, with_folds
    from pnetkit.errors import CohortError, counted

    if out is None and nnunet is None:
        raise click.UsageError("Give --out, --nnunet, or both.")
    found, faults = read_unphased_cohort(table)
    if faults:
        raise CohortError(f"{table}: {counted(len(faults), 'fault')} in the table:", faults)
    dealt = assign_folds(found.cases, folds=folds, seed=seed, dealing=dealing)
    if out is not None:
        write_text(out, with_folds(table, dealt, out))
    if nnunet is not None:
        write_text(nnunet, splits_text(dealt, [case.id for case in found.cases if case.held_out]))
    if as_json:
        print_json({"folds": dealt})
        return
    for number in sorted(set(dealt.values())):
        of = [case.abnormal for case in found.cases if dealt[case.id] == number]
        click.echo(f"fold {number}: {len(of)} cases, {of.count(True)} abnormal, {of.count(False)} normal")


@cohort.command("export")
@click.argument("table", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--phase", "phases", multiple=True, required=True, help="A phase to export, as a channel; repeatable.")
@click.option("--recipe", "recipe_path", type=click.Path(path_type=Path), help="Take the label mapping from a recipe.")
@click.option("--workers", type=click.IntRange(min=0), help="Worker processes. [default: one for each core]")
def export(table: Path, folder: Path, phases: tuple[str, ...], recipe_path: Path | None, workers: int | None) -> None:
    """Write a cohort as nnU-Net's raw data (such as nnUNet_raw/Dataset501_PNET) into FOLDER."""
    from pnetkit.cohort.check import LabelPolicy
    from pnetkit.cohort.checked import check_cohort, sort_out
    from pnetkit.cohort.nnunet_export import export_nnunet
    from pnetkit.files import disk_errors_in_words
    from pnetkit.pipeline.engine.workers import WorkerPool
    from pnetkit.pipeline.plan.cohort import label_policy
    from pnetkit.processors import usable_processors
    from pnetkit.recipe.check import load_recipe

    policy = label_policy(load_recipe(recipe_path).recipe) if recipe_path else LabelPolicy()
    with WorkerPool(usable_processors() if workers is None else workers, threads=1) as pool:
        good, _ = sort_out(check_cohort(table, phases, policy, pool), "stop")
    with disk_errors_in_words(folder):
        count = export_nnunet(good, folder, phases, policy)
    click.echo(f"{count} training cases: {folder}. Label values are pnetkit's: 1 pancreas, 2 tumor, 3 duct.")


@cohort.command("phantom")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--cases", default=32, show_default=True, type=click.IntRange(min=2))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--difficulty", default=0.5, show_default=True, type=click.FloatRange(0, 1), help="0 easy, 1 hard.")
def phantom(folder: Path, cases: int, seed: int, difficulty: float) -> None:
    """Generate a cohort of dual-phase phantoms into FOLDER: synthetic, not patients."""
    from pnetkit.cohort.phantom import PhantomSpec, write_cohort

    table = write_cohort(folder, PhantomSpec(cases=cases, seed=seed, difficulty=difficulty))
    click.echo(f"{cases} phantoms (synthetic, not patients): {table}")
