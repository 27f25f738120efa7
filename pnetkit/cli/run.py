"""`pnetkit run`: a whole recipe on a cohort, or on phantoms."""

from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("recipe_path", metavar="RECIPE", type=click.Path(path_type=Path))
@click.option("--cohort", "table", type=click.Path(path_type=Path), help="Table of cases (CSV). [default: phantoms]")
@click.option("--profile", help="Apply this profile. [default: demo without --cohort, none with it]")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key; repeatable.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the results. [default: runs/NAME-KEY]")
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    default=Path("runs") / ".store",
    show_default=True,
    help="Folder in which results of stages are kept and shared between runs.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--workers", type=click.IntRange(min=0), help="Processes. [default: one a core; one on a GPU]")
@click.option(
    "--on-bad-case",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="Stop at faulty cases, or set them aside and count them.",
)
def run(
    recipe_path: Path,
    table: Path | None,
    profile: str | None,
    overrides: tuple[str, ...],
    out: Path | None,
    store: Path,
    device: str,
    workers: int | None,
    on_bad_case: str,
) -> None:
    """Train, segment, clean up, classify, fuse and evaluate RECIPE, and print the paper's two tables.

    Without --cohort it takes the recipe's profile `demo` on generated phantoms. Interrupted, the same command goes on
    where it stopped; results that a recipe shares with earlier ones are not computed again.
    """
    from pnetkit.cli.progress import ProgressView
    from pnetkit.pipeline.run import Listener, RunRequest, require_success
    from pnetkit.pipeline.run import run as run_recipe
    from pnetkit.recipe.check import load_recipe

    if table is None:
        profile = profile or "demo"
        click.echo(
            f"No --cohort: running the profile '{profile}' on generated phantoms. They are synthetic; no figure below "
            "says anything about patients."
        )
    loaded = load_recipe(recipe_path, profile=profile, overrides=overrides)
    request = RunRequest(
        loaded=loaded,
        table=table,
        store_root=store,
        out=out,
        device=device,
        workers=workers,
        on_bad_case="skip" if on_bad_case == "skip" else "stop",
    )
    with ProgressView() as view:
        listener = Listener(
            say=click.echo,
            planned=view.plan,
            progress=lambda p: view.update(p.node, p.done, reused=p.reused),
        )
        try:
            result = run_recipe(
                request, lambda metrics, cohort: _markdown(loaded.recipe.name, metrics, cohort), listener
            )
        except KeyboardInterrupt:
            click.echo("Interrupted. Run the same command again: it goes on where it stopped.", err=True)
            raise click.exceptions.Exit(130) from None
    _print_tables(loaded.recipe.name, result.metrics, result.cohort)
    click.echo(f"Results: {result.folder}")
    require_success(result)


def _markdown(method: str, metrics: Any, cohort: str) -> str:
    from pnetkit.report.tables import table_1, table_2, to_markdown

    tables = (make(metrics, method=method, cohort=cohort) for make in (table_1, table_2))
    return "\n".join(map(to_markdown, tables))


def _print_tables(method: str, metrics: Any, cohort: str) -> None:
    from pnetkit.cli.console import console, grid
    from pnetkit.report.tables import table_1, table_2

    out = console()
    for make in (table_1, table_2):
        table = make(metrics, method=method, cohort=cohort)
        out.print()
        out.print(grid(table.columns, table.rows, title=table.title))
        for note in table.notes:
            click.echo(note)
