"""`pnetkit run`: a whole recipe on a cohort, or on phantoms."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pnetkit.cli.as_json import JSON, json_alone, print_json
from pnetkit.cli.console import echo, print_grid
from pnetkit.cli.options import Following, following_options, run_options
from pnetkit.cli.tracebacks import as_tracebacks


@click.command()
@click.argument("recipe_path", metavar="RECIPE", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the results. [default: runs/NAME-KEY]")
@click.option("--dry-run", is_flag=True, help="Print what there is to do and what it will take, and do nothing.")
@click.option(
    "--predictions", type=click.Path(path_type=Path), help="Judge the label maps of this folder; train nothing."
)
@click.option("--prediction-files", default="{case}_{phase}.nii.gz", show_default=True, help="How they are called.")
@click.option(
    "--prediction-labels",
    metavar="VALUE=LABEL,...",
    help="Their values as 1 pancreas, 2 tumor, 3 duct.",
)
@click.option("--report/--no-report", default=True, help="Write report.html at the end. [default: yes]")
@JSON
@following_options
@run_options
def run(
    recipe_path: Path,
    out: Path | None,
    dry_run: bool,
    as_json: bool,
    live: bool,
    tensorboard: Path | None,
    mlflow: Path | None,
    **options: Any,
) -> None:
    """Train, segment, clean up, classify, fuse and evaluate RECIPE, and print the paper's two tables.

    RECIPE is a file, or the name of a shipped recipe as `pnetkit recipe list` gives it. Without --cohort it takes the
    recipe's profile `demo` on generated phantoms. Interrupted, the same command goes on where it stopped; results that
    a recipe shares with earlier ones are not computed again.
    """
    from pnetkit.cli.tables import print_table
    from pnetkit.pipeline.outcome.pages.run_page import REPORT
    from pnetkit.pipeline.run import require_success
    from pnetkit.report.further import run_further_tables
    from pnetkit.report.tables import run_tables

    if dry_run:
        _print_plan(recipe_path, out, options, as_json=as_json)
        return
    tracebacks = as_tracebacks(**{name: options[name] for name in ("raises", "workers", "engine")})
    with json_alone(as_json), tracebacks:
        result = run_and_report(recipe_path, out=out, following=Following(live, tensorboard, mlflow), **options)
    if as_json:
        print_json(_as_dict(result))
        require_success(result)
        return
    if result.metrics is not None:
        said = {"method": result.recipe, "cohort": result.cohort}
        tables = run_tables(result.metrics, **said, thresholds=result.thresholds)
        for table in [*tables, *run_further_tables(result.metrics, **said)]:
            print_table(table)
    for line in shared_in_words(result):
        echo(line)
    if options["report"] and "report" not in result.failed and (result.folder / REPORT).is_file():
        click.echo(f"To look at: {result.folder / REPORT}")
    click.echo(f"Results: {result.folder}")
    require_success(result)


def _as_dict(result: Any) -> dict[str, Any]:
    """Give what a run comes to, for programs."""
    return {
        "recipe": result.recipe,
        "folder": result.folder,
        "cohort": result.cohort,
        "research_use_only": True,
        "thresholds": result.thresholds,
        "metrics": None if result.metrics is None else result.metrics.to_json(),
        "made": result.made,
        "made_elsewhere": result.made_elsewhere,
        "failed": result.failed,
    }


def shared_in_words(result: Any) -> list[str]:
    """Say what this process made and what others made meanwhile, where others did."""
    if not result.made_elsewhere:
        return []
    parts = {"this process": result.made, "other processes meanwhile": result.made_elsewhere}
    told = [f"{who} made {_by_stage(made) if made else 'nothing'}" for who, made in parts.items()]
    return [f"Shared: {'; '.join(told)}."]


def _by_stage(made: Any) -> str:
    return f"{sum(made.values())} ({', '.join(f'{count} {stage}' for stage, count in made.items())})"


def run_and_report(
    recipe_path: Path,
    *,
    out: Path | None = None,
    session: Any = None,
    following: Following | None = None,
    **options: Any,
) -> Any:
    """Run one recipe with progress on the screen, and give the result."""
    from pnetkit.cli.progress import ProgressView
    from pnetkit.pipeline.engine.session import Listener
    from pnetkit.pipeline.follow.follower import followed
    from pnetkit.pipeline.follow.page import LIVE
    from pnetkit.pipeline.run import run as run_recipe

    request, following = _request(recipe_path, out, **options), following or Following()
    followers = following.followers(request.store_root)
    with ProgressView() as view:
        listener = Listener(
            say=echo,
            opened=lambda folder: echo(f"To follow: {folder / LIVE}") if following.live else None,
            planned=view.plan,
            progress=lambda p: view.update(p.node, p.done, reused=p.reused, loss=p.loss),
        )
        try:
            with followed(listener, followers) as told:
                return run_recipe(request, told, session)
        except KeyboardInterrupt:
            click.echo("Interrupted. Run the same command again: it goes on where it stopped.", err=True)
            raise click.exceptions.Exit(130) from None


def shared_machine(recipe_paths: Sequence[Path], **options: Any) -> Any:
    """Choose what several recipes use of this machine, which share it: what the budget allows to each of them."""
    from pnetkit.pipeline.budget.fit import fit_budget, require_dealable

    requests = [_request(path, None, quiet=True, **options) for path in recipe_paths]
    machine = requests[0].machine()
    for request in requests:
        require_dealable(request, machine)
    if options["ram_bytes"] or options["vram_bytes"]:
        for request in requests:
            machine = fit_budget(request, machine).machine
    return machine


def _request(
    recipe_path: Path,
    out: Path | None,
    *,
    quiet: bool = False,
    table: Path | None,
    profile: str | None,
    overrides: tuple[str, ...],
    predictions: Path | None = None,
    prediction_files: str = "{case}_{phase}.nii.gz",
    prediction_labels: str | None = None,
    store: Path,
    device: str,
    gpus: Any,
    workers: int | None,
    gpu_workers: int | None,
    per_training: int,
    ram_bytes: int | None,
    vram_bytes: int | None,
    on_bad_case: Any,
    on_code_change: Any,
    verify_files: bool,
    store_locks: Any,
    engine: str,
    report: bool = True,
    raises: bool = False,
) -> Any:
    """Turn options into a request; say so where phantoms stand in for a cohort."""
    from pnetkit.pipeline.plan.request import RunRequest
    from pnetkit.recipe.check import load_recipe

    if table is None:
        profile = profile or "demo"
        if not quiet:
            echo(
                f"No --cohort: running the profile '{profile}' on generated phantoms. They are synthetic; no figure "
                "below says anything about patients.",
            )
    return RunRequest(
        loaded=load_recipe(recipe_path, profile=profile, overrides=overrides),
        table=table,
        predictions=_predictions(predictions, prediction_files, prediction_labels),
        store_root=store,
        out=out,
        device=device,
        gpus=gpus,
        workers=workers,
        gpu_workers=gpu_workers,
        per_training=per_training,
        on_bad_case=on_bad_case,
        on_code_change=on_code_change,
        ram_bytes=ram_bytes,
        vram_bytes=vram_bytes,
        verify_files=verify_files,
        store_locks=store_locks,
        engine=engine,
        report=report,
        raises=raises,
    )


def _predictions(folder: Path | None, files: str, labels: str | None) -> Any:
    """Turn the options into predictions made elsewhere; values that are not mapped become background."""
    from pnetkit.cohort.check import LabelPolicy
    from pnetkit.cohort.predictions import Predictions

    if folder is None:
        return None
    if "{case}" not in files:
        raise click.BadParameter(f"wanted a name with {{case}} in it, got {files!r}", param_hint="--prediction-files")
    if labels is None:
        return Predictions(folder, files)
    from pnetkit.cli.options import label_mapping

    return Predictions(folder, files, LabelPolicy(label_mapping(labels, "--prediction-labels"), "background"))


def _print_plan(recipe_path: Path, out: Path | None, options: dict[str, Any], *, as_json: bool) -> None:
    from pnetkit.pipeline.engine.session import Listener
    from pnetkit.pipeline.follow.counts import WORDS
    from pnetkit.pipeline.run import dry_run
    from pnetkit.pipeline.stages.table import STAGES
    from pnetkit.process_memory import keep_freed_memory

    with json_alone(as_json):
        request = _request(recipe_path, out, **options)
        keep_freed_memory()  # as a worker does
        found, machine = dry_run(request, Listener(say=echo))
    if as_json:
        print_json([asdict(stage) | {"lane": machine.lane_of(STAGES[stage.stage].needs)} for stage in found])
        return
    rows = [
        (
            WORDS[stage.stage],
            machine.lane_of(STAGES[stage.stage].needs),
            str(stage.there),
            str(stage.todo),
            _amount(
                None if stage.seconds is None else stage.seconds / machine.speed_of(STAGES[stage.stage].needs), "s"
            ),
            _amount(stage.peak_mib, "MiB"),
            _amount(stage.disk_mib, "MiB"),
        )
        for stage in found
    ]
    columns = ["stage", "lane", "there", "to do", "time", "memory a worker", "disk"]
    note = (
        "Times are those of a stage alone in its lane, of training and segmenting from one step and one window, timed "
        "now; tasks that share a GPU are counted as no faster. The rest comes from earlier results. "
        "Of segmenting at most: windows without body are not run, and a coarse-to-fine search leaves out more. "
        "Memory as predicted, at most; of features and fit from earlier results."
    )
    print_grid(columns, rows, notes=[note, _disk_in_words(found)])


def _disk_in_words(found: Sequence[Any]) -> str:
    unknown = ", ".join(stage.stage for stage in found if stage.disk_mib is None)
    passing = max((stage.passing_mib for stage in found), default=0.0)
    return (
        f"Disk: {_size(sum(stage.disk_mib or 0.0 for stage in found))} more in the store"
        + (f", what is not known of {unknown} aside" if unknown else "")
        + (f"; while a training runs, {_size(passing)} beside it" if passing else "")
        + ". Scans are taken to be like one that was prepared just now. A run's folder gets a copy of every cleaned "
        "segmentation."
    )


def _size(mib: float) -> str:
    return f"{mib / 2**10:.1f} GiB" if mib >= 2**10 else f"{mib:.1f} MiB"


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "not known"
    if unit == "s" and value >= 3600:  # noqa: PLR2004
        return f"{value / 3600:.1f} h"
    return f"{value:.0f} {unit}"
