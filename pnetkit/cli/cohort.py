"""`pnetkit cohort`: check a cohort, or generate one of phantoms."""

from pathlib import Path

import click


@click.group()
def cohort() -> None:
    """Check cohorts, or generate one of phantoms."""


@cohort.command("check")
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--recipe", "recipe_path", type=click.Path(path_type=Path), help="Take phases and labels from a recipe.")
@click.option("--phase", "phases", multiple=True, help="A phase to expect; repeatable. [default: arterial, venous]")
@click.option("--workers", type=click.IntRange(min=0), help="Worker processes. [default: one for each core]")
def check(table: Path, recipe_path: Path | None, phases: tuple[str, ...], workers: int | None) -> None:
    """Open every file of the cohort TABLE (CSV) and list every fault."""
    from pnetkit.cohort.check import LabelPolicy
    from pnetkit.errors import CohortError
    from pnetkit.pipeline.engine import WorkerPool
    from pnetkit.pipeline.intake import check_cohort, default_workers, fit_for_inputs, label_policy
    from pnetkit.recipe.check import load_recipe

    policy, wanted, recipe = LabelPolicy(), phases or ("arterial", "venous"), None
    if recipe_path:
        recipe = load_recipe(recipe_path).recipe
        policy, wanted = label_policy(recipe), phases or recipe.phases
    with WorkerPool(default_workers("cpu") if workers is None else workers, threads=1) as pool:
        checked = check_cohort(table, wanted, policy, pool)
    if recipe is not None:
        checked = fit_for_inputs(checked, recipe)
    for note in checked.notes:
        click.echo(f"note: {note}")
    faults = [fault for item in checked.cases for fault in item.faults]
    if faults:
        raise CohortError(f"{table}: {len(faults)} faults in {len(checked.cases)} cases:", faults)
    click.echo(checked.summary())


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
