"""The cohort of a run as its recipe asks for it: its phantoms, its rule for label values, grids that fit its inputs."""

from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

from pnetkit.cohort.check import LabelPolicy, grid_faults
from pnetkit.cohort.checked import CheckedCohort
from pnetkit.cohort.phantom import PhantomSpec, write_cohort
from pnetkit.errors import Fault, RecipeError
from pnetkit.files import digest
from pnetkit.recipe.models import Recipe
from pnetkit.store.store import Store


def fit_for_inputs(cohort: CheckedCohort, recipe: Recipe) -> CheckedCohort:
    """Add a fault to each case whose phases are to be stacked as they are, but lie on different grids."""
    stacked = [found.phases for found in recipe.networks.values() if not found.resample]
    cases = [
        replace(item, faults=(*item.faults, *(fault for phases in stacked for fault in grid_faults(item, phases))))
        for item in cohort.cases
    ]
    return replace(cohort, cases=tuple(cases))


def phantom_cohort(recipe: Recipe, store: Store, executor: Executor) -> Path:
    """Generate the recipe's phantoms, unless the store has them, and give their table.

    Raises:
        RecipeError: the recipe says nothing of phantoms.
    """
    settings = recipe.cohort.phantom
    if settings is None:
        fault = Fault("cohort.phantom", "is not set, so there is nothing to run on; give --cohort, or --profile demo")
        raise RecipeError(f"The recipe {recipe.name} needs a cohort:", [fault])
    spec = PhantomSpec(
        cases=settings.cases,
        seed=recipe.cohort.seed,
        abnormal_fraction=settings.abnormal_fraction,
        shape=settings.shape,
        difficulty=settings.difficulty,
    )
    identity = {"phantom": settings.model_dump(mode="json"), "seed": recipe.cohort.seed, "version": PHANTOM_VERSION}
    key = digest(identity)

    def make(folder: Path) -> dict[str, object]:
        write_cohort(folder / "cohort", spec, map_cases=executor.map)
        return {"stage": "phantom", "key": key, "identity": identity}

    store.produce("phantom", key, make)
    return store.folder("phantom", key) / "cohort" / "cohort.csv"


PHANTOM_VERSION = 1
"""Raised when the generator draws other phantoms from the same settings."""


def label_policy(recipe: Recipe) -> LabelPolicy:
    """Give the recipe's rule for label values."""
    return LabelPolicy(recipe.cohort.labels, recipe.cohort.unmapped_labels)
