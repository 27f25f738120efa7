"""`pnetkit figure`: a paper's figure of some cases, as several runs saw them."""

from pathlib import Path
from typing import Any

import click

KINDS = (
    "one-phase-only",
    "every-phase",
    "duct-only",
    "missed-by-all",
    "first-alone",
    "others-alone",
    "false-alarm",
    "left-alone",
)
"""The names in `pipeline/outcome/kinds.py`, which --help need not import."""


@click.command()
@click.argument("names", metavar="RUN... [CASE...]", nargs=-1, required=True)
@click.option("--kind", type=click.Choice(KINDS), help="Choose cases of this kind instead of naming them.")
@click.option("--count", type=click.IntRange(min=1), default=1, show_default=True, help="How many of a kind.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("figure"),
    show_default=True,
    help="The files without their suffixes.",
)
@click.option(
    "--format", "formats", type=click.Choice(["png", "svg", "pdf"]), multiple=True, help="Repeatable. [default: all]"
)
@click.option(
    "--cohort", "table", type=click.Path(path_type=Path), help="Table of cases, where images are not in the store."
)
@click.option("--store", type=click.Path(path_type=Path), help="The store. [default: the one each run was made with]")
@click.option("--pseudonyms", is_flag=True, help="Call the cases by numbers instead of their ids.")
def figure(
    names: tuple[str, ...],
    kind: str | None,
    count: int,
    out: Path,
    formats: tuple[Any, ...],
    table: Path | None,
    store: Path | None,
    pseudonyms: bool,
) -> None:
    """Draw CASEs as each RUN saw them: a row a phase, a column a method, image and reference beside.

    A RUN is its folder, or its name in the folder `runs`; every other name is a case. The first run is the one that
    --kind speaks of. Written as PNG, SVG and PDF; needs the extra `figures`.
    """
    from pnetkit.extras import require_extra
    from pnetkit.pipeline.outcome.finished import find_run, is_run, read_run
    from pnetkit.pipeline.outcome.kinds import KINDS as RULES
    from pnetkit.pipeline.outcome.kinds import chosen
    from pnetkit.pipeline.outcome.panels import panel_of
    from pnetkit.report.panel import FORMATS, write_panel

    require_extra("figures", "pnetkit figure")
    folders = {name: find_run(Path(name)) for name in names}
    runs = [read_run(folder) for name, folder in folders.items() if is_run(folder) or "/" in name]
    cases = [name for name, folder in folders.items() if not (is_run(folder) or "/" in name)]
    if not runs:
        raise click.UsageError(f"None of {', '.join(names)} is a run: give a run's folder, or its name in runs/.")
    if bool(cases) == (kind is not None):
        raise click.UsageError("Name cases, or choose them with --kind: one of the two.")
    cases = cases if kind is None else chosen(runs, kind, count)
    panel = panel_of(runs, cases, table=table, store=store, pseudonyms=pseudonyms)
    written = write_panel(panel, out, formats or FORMATS)
    why = f" ({RULES[kind][1]})" if kind is not None else ""
    click.echo(f"Cases: {', '.join(cases)}{why}. {runs[0].cohort}. Research use only, not for diagnosis.")
    click.echo(f"Figure: {', '.join(map(str, written))}")
