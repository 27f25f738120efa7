"""`pnetkit compare`: several methods on the same cases, side by side and against a baseline."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import click

from pnetkit.cli.as_json import as_text, json_alone
from pnetkit.cli.compared import named, published_tables, published_views, seed_figures, views_of
from pnetkit.cli.console import echo
from pnetkit.cli.options import Following, following_options, run_options
from pnetkit.cli.sizes import optional_size
from pnetkit.cli.tracebacks import as_tracebacks
from pnetkit.errors import counted


@click.command()
@click.argument("arms", nargs=-1, metavar="[RUN|RECIPE]...", type=click.Path(path_type=Path))
@click.option("--baseline", type=click.Path(path_type=Path), help="Run or recipe that the others are tested against.")
@click.option("--by", type=click.Choice(["fused", "phase", "both"]), default="both", show_default=True, help="Views.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["console", "markdown", "latex", "csv", "json", "html"]),
    default="console",
    show_default=True,
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as --format json.")
@click.option("--out", type=click.Path(path_type=Path), help="Write to this file instead of the terminal.")
@click.option("--budget", callback=optional_size, help="Most bytes of the HTML page, as 15MB. [default: 15MB]")
@click.option("--anyway", is_flag=True, help="Compare runs of different cohorts, folds or labels; the tables say so.")
@click.option("--reference", type=click.Choice(["paper"]), help="Add the published rows, set apart.")
@following_options
@run_options
def compare(
    arms: tuple[Path, ...],
    *,
    baseline: Path | None,
    by: str,
    style: str,
    as_json: bool,
    out: Path | None,
    budget: int | None,
    anyway: bool,
    reference: str | None,
    live: bool,
    tensorboard: Path | None,
    mlflow: Path | None,
    **options: Any,
) -> None:
    """Compare finished runs, or recipes (files or shipped ones), which are run first where that is needed.

    Each arm gets a row with counts, intervals and overlaps; with --baseline each other arm is tested against it on the
    cases that both decided. Without any arm, --reference paper prints the published tables alone.
    """
    from pnetkit.cli.run import shared_machine
    from pnetkit.pipeline.engine.session import open_session
    from pnetkit.pipeline.outcome.finished import differences, require_comparable
    from pnetkit.report.comparison import costs_table, seeds_table

    style = "json" if as_json else style
    if budget is not None and style != "html":
        raise click.UsageError("--budget is of the page that --format html writes.")
    if not arms and baseline is None:
        if reference is None:
            raise click.UsageError("Name runs or recipes to compare, or give --reference paper.")
        tables = published_tables(by)
        page = _page({}, [], tables, (), budget, options) if style == "html" else None
        _deliver(tables, {}, style, out, published=published_views(by), page=page)
        return
    paths = list(dict.fromkeys([*([baseline] if baseline else []), *arms]))
    recipes = [path for path in paths if _run_folder(path) is None]
    finished, made, following = [], 0, Following(live, tensorboard, mlflow)
    repeats: dict[Path, list[Any]] = {}
    with ExitStack() as stack:
        stack.enter_context(as_tracebacks(**{name: options[name] for name in ("raises", "workers", "engine")}))
        if recipes:
            options["session"] = stack.enter_context(
                open_session(shared_machine(recipes, **options), options["engine"])
            )
        for number, path in enumerate(paths, start=1):
            with json_alone(style != "console" and out is None):  # what runs say is no part of what is asked for
                run, more, trainings = _finished(path, options, following, f"Arm {number} of {len(paths)}: {path}")
            finished.append(run)
            repeats[run.folder] = more
            made += trainings
    runs = named(finished)
    warnings = []
    if not anyway:
        require_comparable(list(runs.values()))
    else:
        warnings = [f"COMPARED ANYWAY: {fault}." for fault in differences(list(runs.values()))]
    first = next(iter(runs)) if baseline else None
    views, plain = views_of(runs, first, by, warnings, reference=reference == "paper")
    seeds = seed_figures({name: [run, *repeats[run.folder]] for name, run in runs.items() if repeats[run.folder]}, by)
    others = [seeds_table(found, view, cohort=next(iter(runs.values())).cohort) for view, found in seeds.items()]
    if seeds:
        plain["seeds"] = {
            view: {name: {seed: asdict(of) for seed, of in found} for name, found in by_arm.items()}
            for view, by_arm in seeds.items()
        }
    took = {name: run.record["costs"] for name, run in runs.items() if "costs" in run.record}
    if took:  # runs of earlier releases do not say
        others.append(costs_table(took, cohort=next(iter(runs.values())).cohort))
        plain["costs"] = took
    tables = [*(table for of in views for table in of.tables), *others]
    page = _page(runs, views, others, warnings, budget, options) if style == "html" else None
    _deliver(tables, plain, style, out, published=published_views(by) if reference == "paper" else (), page=page)
    if style == "console":
        distinct = {key for run in chain(finished, *repeats.values()) for key in run.trainings}
        echo(f"Trainings: {made} made, {len(distinct)} distinct in {counted(len(runs), 'arm')}.")
    _require_success(runs)


def _run_folder(path: Path) -> Path | None:
    """Give the folder of the run that an arm names; None where it is a recipe."""
    from pnetkit.pipeline.outcome.finished import is_run

    if is_run(Path("runs") / path) and not path.exists():
        return Path("runs") / path
    if path.is_dir():
        return path
    return path.parent if is_run(path.parent) and path.name == "run.json" else None


def _finished(path: Path, options: dict[str, Any], following: Following, arm: str) -> tuple[Any, list[Any], int]:
    """Read a run, or run a recipe and read what came of it, with its repetitions under other seeds.

    `arm` says which one it is, before it is run. Gives the number of trainings made too.
    """
    from pnetkit.cli.run import run_and_report
    from pnetkit.pipeline.outcome.finished import read_run

    folder = _run_folder(path)
    if folder is not None:
        return read_run(folder), [], 0
    echo(arm, err=True)
    result = run_and_report(path, following=following, **options)
    made, repeats = result.made.get("train", 0), []
    for seed in result.repeat_seeds:
        echo(f"{arm}, with the seed {seed}", err=True)
        only = (*options["overrides"], "training.repeat_seeds=[]", f"training.seed={seed}")
        again = run_and_report(path, following=following, **{**options, "overrides": only, "report": False})
        repeats.append(read_run(again.folder))
        made += again.made.get("train", 0)
    return read_run(result.folder), repeats, made


def _require_success(runs: dict[str, Any]) -> None:
    """Raise RunError, after the tables, where an arm's cases failed: it was compared without them."""
    from pnetkit.errors import RunError

    failed = {name: run.failed for name, run in runs.items() if run.failed}
    if failed:
        lines = [f"{len(failed)} of {len(runs)} arms have cases that failed:"]
        lines += [
            f"  {name}: {counted(len(of), 'case')}, first {next(iter(of))}: {next(iter(of.values()))}"
            for name, of in failed.items()
        ]
        raise RunError(
            "\n".join([*lines, "Mend the causes and run the same command again: only these are tried anew."])
        )


def _page(
    runs: dict[str, Any],
    views: Any,
    others: Sequence[Any],
    warnings: Sequence[str],
    budget: int | None,
    options: dict[str, Any],
) -> Any:
    """Make the page of `--format html`: its bytes, and what was left out of it."""
    from pnetkit.pipeline.outcome.pages.comparison_page import comparison_page
    from pnetkit.report.page.budget import BUDGET

    places = {"store": options["store"], "table": options["table"]}
    return comparison_page(runs, views, others, warnings=warnings, budget=budget or BUDGET, **places)


def _deliver(
    tables: Sequence[Any],
    plain: dict[str, Any],
    style: str,
    out: Path | None,
    *,
    published: tuple[str, ...] = (),
    page: Any = None,
) -> None:
    from pnetkit.files import disk_errors_in_words, write_atomically
    from pnetkit.report.formats import to_csv, to_latex, to_markdown
    from pnetkit.report.tidy import COLUMNS, tidy_rows

    if style == "console" and out is None:
        from pnetkit.cli.tables import print_table

        for table in tables:
            print_table(table)
        return
    if style == "json":
        text = as_text(plain or [asdict(table) for table in tables]) + "\n"
    elif page is not None:
        text = page[0].decode()
    elif style == "latex":
        text = to_latex(tables)
    elif style == "csv":
        text = to_csv(tidy_rows(plain, published), COLUMNS)
    else:
        text = "\n".join(map(to_markdown, tables))
    if out is None:
        click.echo(text, nl=False)
    else:
        with disk_errors_in_words(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(out, text.encode())
        left = page[1].stills if page is not None else 0
        click.echo(f"Written: {out}" + f" (left out: pictures of {counted(left, 'case')})" * (left > 0))
