"""Make the page of a finished run, and write it."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from pnetkit import __version__
from pnetkit.errors import PnetkitError
from pnetkit.files import read_json
from pnetkit.pipeline.outcome.cases_csv import CASES
from pnetkit.pipeline.outcome.costs import largest_own_peak_mib
from pnetkit.pipeline.outcome.finished import FinishedRun, read_run
from pnetkit.pipeline.outcome.folder import RECIPE
from pnetkit.pipeline.outcome.pages import parts
from pnetkit.pipeline.outcome.pages.cases import GROUPS, Told, case_view, sorted_cases
from pnetkit.pipeline.outcome.pages.further import further_part
from pnetkit.pipeline.outcome.pages.names import Names, names_of
from pnetkit.pipeline.outcome.pages.scans import Files, cohort_files
from pnetkit.pipeline.outcome.pages.stored import Stored, losses_of, records_of, stored, watched_of
from pnetkit.pipeline.stages.table import STAGES
from pnetkit.recipe.document import read_document
from pnetkit.report.figures.curves import dice_figure, losses_figure
from pnetkit.report.methods import facts, is_phantom, methods_paragraph, recipe_in_a_sentence
from pnetkit.report.page.budget import BUDGET, CaseMaker
from pnetkit.report.page.values import RESEARCH, Group, Page, Part
from pnetkit.report.page.write import Written, write_page
from pnetkit.report.tables import NOTHING, Table, rate_text
from pnetkit.store.store import RUN_RECORD

REPORT = "report.html"
"""The page in a run's folder."""

AS_MADE = (
    "As each result was made, perhaps by an earlier run, on whatever machine, beside whatever else; peaks of a worker."
)
"""What stands below times and memory."""

PHANTOMS = (
    "The cases are generated phantoms: synthetic pictures, not patients. No figure on this page says anything about "
    "patients."
)


def report_run(
    folder: Path,
    *,
    store: Path | None = None,
    table: Path | None = None,
    files: Files | None = None,
    out: Path | None = None,
    as_folder: Path | None = None,
    budget: int = BUDGET,
    pseudonyms: bool = False,
) -> Written:
    """Write the page of a finished run: one file of no more than `budget` bytes, or with `as_folder` one with files.

    `table` is the cohort's, where images are not in the store; `files` are the cohort's, where they are known.

    Raises:
        StoreError: the folder is no finished run.
        CohortError: the table cannot be read.
    """
    run = read_run(folder)
    found = stored(run, store)
    cases = sorted_cases(run)
    names = names_of([line["case_id"] for _, line in cases], pseudonyms=pseudonyms)
    told = Told(run, found, cohort_files(run, found, table) if files is None else files, names)
    makers = [
        CaseMaker(group, partial(case_view, told, group, line, number))
        for number, (group, line) in enumerate(cases, start=1)
    ]
    groups = [Group(*GROUPS[name], ()) for name in GROUPS]
    page = _page(run, found, names, tuple(groups))
    place = dict(zip(GROUPS, range(len(GROUPS)), strict=True))
    target = as_folder / "index.html" if as_folder is not None else out or folder / REPORT
    return write_page(page, makers, place, target, budget=budget, linked=as_folder is not None)


def digest_of_results(folder: Path, failed: Sequence[Mapping[str, Any]]) -> str:
    """Give a digest of what the page of a run shows: its cases as they are written, and what failed."""
    said = json.dumps(list(failed), sort_keys=True, default=str).encode()
    return hashlib.sha256((folder / CASES).read_bytes() + b"\n" + said).hexdigest()


def pictured_in(folder: Path) -> str | None:
    """Give the digest of the results that the page in a run's folder shows; None where there is no page of it."""
    try:
        record: dict[str, Any] = read_json(folder / RUN_RECORD)
    except (OSError, ValueError):
        return None  # a new folder, or a record that is written anew now
    return record.get("pictured") if (folder / REPORT).is_file() else None


def _page(run: FinishedRun, found: Stored, names: Names, groups: tuple[Group, ...]) -> Page:
    record, recipe = run.record, recipe_of(run)
    counts = {
        "cases": len(run.lines),
        "abnormal": sum(line["abnormal"] == "1" for line in run.lines),
        "normal": sum(line["abnormal"] == "0" for line in run.lines),
        "patients": len({of.patient for of in run.truth.values()}),
    }
    what = Part("what", "What was run", (recipe_in_a_sentence(recipe, record),), tuple(facts(recipe, record)))
    results = [
        parts.results_part(run),
        parts.phases_part(run),
        parts.lesions_part(run),
        parts.overlap_part(run),
        further_part(run),
        parts.folds_part(run),
        parts.scores_part(run),
    ]
    lacks = [*filter(None, [names.safe(found.lacks)])]
    if not recipe:
        lacks.append("The recipe of the run cannot be read, so the methods say less.")
    lacks += [
        f"{of['stage']}, {names.safe(of['label'])}: {names.safe(of['reason'])}" for of in record.get("failed", ())
    ]
    closing = [
        _training(run, found, recipe),
        _took(found),
        Part("methods", "Methods paragraph", (methods_paragraph(recipe, record, counts),)),
        Part("lacks", "What this page lacks, and what failed", lacks=tuple(lacks)) if lacks else None,
    ]
    profile = f", profile {record['profile']}" if record.get("profile") else ""
    return Page(
        title=f"{run.name}{profile}",
        subtitle=run.cohort,
        warning=PHANTOMS if is_phantom(record) else "",
        summary=_summary(run),
        parts=(what, *(part for part in results if part is not None)),
        flow=parts.flow_of(run, names),
        groups=groups,
        closing=tuple(part for part in closing if part is not None),
        notes=(f"{RESEARCH}, not for diagnosis.", *(("Cases stand under pseudonyms.",) if names.hides else ())),
        made=f"Made by pnetkit {__version__} on {time.strftime('%Y-%m-%d')}",
    )


def recipe_of(run: FinishedRun) -> Mapping[str, Any]:
    """Read the run's recipe as plain data: its plugins need not be installed. Empty where it cannot be read."""
    try:
        return read_document(run.folder / RECIPE).data
    except PnetkitError:
        return {}


def _summary(run: FinishedRun) -> tuple[tuple[str, str, str], ...]:
    """Give the figures that a reader sees first: what, how much, with what interval."""
    from pnetkit.evaluation.comparison import compare_arms  # noqa: PLC0415  # here alone

    of = compare_arms(run.truth, {run.name: run.fused}).arms[0]
    area = of.auc
    interval = f"[{area.low:.3f}, {area.high:.3f}]" if area.low is not None and area.high is not None else ""
    found = []
    for name, rate in (("Sensitivity", of.sensitivity), ("Specificity", of.specificity)):
        value, _, span = rate_text(rate).partition(" ")
        words = f"{rate.successes} of {rate.total}, {span}" if span else ""
        found.append((name, f"{value} %" if span else NOTHING, words))
    found.append(("Area under the curve", NOTHING if area.value is None else f"{area.value:.3f}", interval))
    failed = sum(line["status"] != "ok" for line in run.lines)
    found.append(("Cases", str(len(run.lines)), f"{failed} without a decision" if failed else "all decided"))
    return tuple(found)


def _training(run: FinishedRun, found: Stored, recipe: Mapping[str, Any]) -> Part | None:
    courses = losses_of(found, run)
    iterations = int(recipe.get("training", {}).get("iterations", 0))
    figures = [
        losses_figure(
            name, {f"fold {fold}": losses for fold, losses in of.items()}, iterations or len(next(iter(of.values())))
        )
        for name, of in courses.items()
    ]
    figures += [
        dice_figure(name, {f"fold {fold}": points for fold, points in of.items()}, iterations or 1, says="ended at")
        for name, of in watched_of(found, run).items()
    ]
    drawn = tuple(figure for figure in figures if figure is not None)
    if not drawn:
        return None
    words = "Losses are means over neighboring steps; each line is the network that was trained without one fold."
    return Part("training", "Training", (words,), figures=drawn)


def _took(found: Stored) -> Part | None:
    records = records_of(found)
    if not records:
        return None
    rows = []
    for stage in (name for name in STAGES if name in records):
        of = records[stage]
        seconds = [float(record["seconds"]) for record in of if "seconds" in record]
        peak, gpu = largest_own_peak_mib(of), [record["gpu_peak_mib"] for record in of if record.get("gpu_peak_mib")]
        rows.append(
            (
                stage,
                str(len(of)),
                f"{median(seconds):.2f}" if seconds else NOTHING,
                f"{sum(seconds):,.0f}" if seconds else NOTHING,
                NOTHING if peak is None else f"{peak:,.0f}",
                f"{max(gpu):,.0f}" if gpu else NOTHING,
            )
        )
    table = Table(
        "Time and memory by stage",
        ("Stage", "Results", "Median, s", "Sum, s", "Largest peak, MiB", "GPU, MiB"),
        tuple(rows),
        (AS_MADE,),
    )  # fmt: skip
    return Part("took", "Time and memory", tables=(table,))
