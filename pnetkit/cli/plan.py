"""`pnetkit plan`: propose settings for a cohort and a GPU."""

import re
from pathlib import Path

import click

from pnetkit.cli.sizes import size_in_bytes


@click.command()
@click.argument("table", metavar="COHORT", type=click.Path(path_type=Path))
@click.option("--vram", required=True, help="Memory of the GPU, as 12GB or 24GiB.")
@click.option(
    "--recipe",
    "recipe_path",
    type=click.Path(path_type=Path),
    default=Path("pnetkit:s4c_dual"),
    show_default=True,
    help="The recipe to extend: a file, or a shipped one by name.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The recipe file to write.")
@click.option("--workers", type=click.IntRange(min=0), help="Worker processes. [default: one for each core]")
def plan(table: Path, vram: str, recipe_path: Path, out: Path, workers: int | None) -> None:
    """Propose training, spacing and thresholds in mm³ for COHORT, as a recipe that extends a shipped one."""
    from pnetkit.cohort.checked import check_cohort, sort_out
    from pnetkit.cohort.fingerprint import fingerprint
    from pnetkit.cohort.importing import write_text
    from pnetkit.pipeline.budget.proposal import propose
    from pnetkit.pipeline.engine.workers import WorkerPool
    from pnetkit.pipeline.plan.cohort import fit_for_inputs, label_policy
    from pnetkit.processors import usable_processors
    from pnetkit.recipe.check import load_recipe

    memory = size_in_bytes(vram, "--vram")
    loaded = load_recipe(recipe_path)
    recipe = loaded.recipe
    with WorkerPool(usable_processors() if workers is None else workers, threads=1) as pool:
        checked = fit_for_inputs(check_cohort(table, recipe.phases, label_policy(recipe), pool), recipe)
    good, _ = sort_out(checked, "stop")
    found = fingerprint(good)
    proposal = propose(recipe, found, vram_bytes=memory)
    name = re.sub(r"[^a-z0-9_-]+", "-", out.stem.lower()).strip("-_") or "planned"
    write_text(out, proposal.to_yaml(extends=_as_parent(loaded.files[-1], out), name=name))
    load_recipe(out)  # what is proposed can be run
    for line in (*found.lines, *proposal.reasons):
        click.echo(line)
    click.echo(f"Recipe: {out}. Run it: pnetkit run {out} --cohort {table}")


def _as_parent(file: Path, out: Path) -> str:
    """Say in `out` which recipe it extends: a shipped one by name, which holds wherever `out` is moved."""
    import os

    from pnetkit.recipe.shipped import PREFIX, shipped_name

    name = shipped_name(file)
    return f"{PREFIX}{name}" if name else Path(os.path.relpath(file, out.resolve().parent)).as_posix()
