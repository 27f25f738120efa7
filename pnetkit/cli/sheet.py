"""`pnetkit sheet`: reporting checklists of a finished run, filled in with what its files say."""

from pathlib import Path

import click


@click.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--checklist",
    "checklists",
    multiple=True,
    type=click.Choice(["claim", "stard-ai", "tripod-ai"]),
    help="CLAIM 2024, STARD-AI or TRIPOD+AI; repeatable. [default: all]",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the sheets. [default: the run's]")
def sheet(run_folder: Path, checklists: tuple[str, ...], out: Path | None) -> None:
    """Fill reporting checklists in with what the files of RUN say, as Markdown.

    RUN is its folder, or its name in the folder `runs`. Each filled line names the file and the place that it comes
    from; what pnetkit cannot know is marked as open for the authors. No case is named.
    """
    from pnetkit.pipeline.outcome.finished import find_run
    from pnetkit.pipeline.outcome.sheets import write_sheets
    from pnetkit.report.sheet.write import CHECKLISTS

    for title, path, found in write_sheets(find_run(run_folder), checklists or tuple(CHECKLISTS), out):
        left = found.items - found.filled
        click.echo(f"{title}: {found.filled} of {found.items} rows filled in, {left} open: {path}")
