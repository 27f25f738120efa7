"""`pnetkit report`: one page of a finished run that can be looked at, mailed and printed."""

from pathlib import Path

import click

from pnetkit.cli.sizes import optional_size


@click.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The file. [default: report.html in the run's folder]")
@click.option(
    "--folder",
    "as_folder",
    type=click.Path(path_type=Path),
    help="Write a page into this folder that links to its files.",
)
@click.option("--budget", callback=optional_size, help="Most bytes of the one file, as 15MB. [default: 15MB]")
@click.option(
    "--cohort", "table", type=click.Path(path_type=Path), help="Table of cases, where images are not in the store."
)
@click.option(
    "--store", type=click.Path(path_type=Path), help="The store. [default: the one that the run was made with]"
)
@click.option("--pseudonyms", is_flag=True, help="Call the cases by numbers instead of their ids.")
def report(
    run_folder: Path,
    out: Path | None,
    as_folder: Path | None,
    budget: int | None,
    table: Path | None,
    store: Path | None,
    pseudonyms: bool,
) -> None:
    """Write a page of RUN: what was run, how well it did, and every case in pictures with why it was missed.

    RUN is its folder, or its name in the folder `runs`. The page is one file, without anything from elsewhere; it
    opens by a double click. A run of an earlier release gets one that says what it lacks.
    """
    from pnetkit.pipeline.outcome.finished import find_run
    from pnetkit.pipeline.outcome.pages.run_page import report_run
    from pnetkit.report.page.budget import BUDGET

    if as_folder is not None and (out is not None or budget is not None):
        raise click.UsageError("--folder writes a page that links to its files: it takes neither --out nor --budget.")
    written = report_run(
        find_run(run_folder),
        store=store,
        table=table,
        out=out,
        as_folder=as_folder,
        budget=budget or BUDGET,
        pseudonyms=pseudonyms,
    )
    left = written.left_out
    said = f"; left out: slices of {left.volumes}, pictures of {left.stills} cases"
    lacking = said if left.volumes or left.stills else ""
    click.echo(f"Report: {written.path} ({written.size / 1e6:.1f} MB, {written.cases} cases{lacking})")
