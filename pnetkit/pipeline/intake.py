"""Take a cohort in: read the table, check every file, set bad cases aside or refuse, or make phantoms."""

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from pnetkit.cohort.check import CheckedCase, LabelPolicy, check_case, duplicate_images, grid_faults
from pnetkit.cohort.phantom import PhantomSpec, write_cohort
from pnetkit.cohort.table import read_cohort
from pnetkit.errors import CohortError, Fault, RecipeError
from pnetkit.networks import choose_device
from pnetkit.pipeline.node import digest
from pnetkit.pipeline.store import Store
from pnetkit.recipe.models import Recipe

OnBadCase = Literal["stop", "skip"]


@dataclass(frozen=True, slots=True)
class CheckedCohort:
    """Hold every case of a table with what its check found."""

    cases: tuple[CheckedCase, ...]
    source: Path

    @property
    def notes(self) -> list[Fault]:
        """Give what is worth knowing but no fault."""
        return [note for item in self.cases for note in item.notes]

    def summary(self) -> str:
        """Say in one line what the cohort holds."""
        diagnoses = [item.case.abnormal for item in self.cases]
        patients = len({item.case.patient for item in self.cases})
        phases = sorted({phase for item in self.cases for phase in item.scans})
        return (
            f"{self.source}: fine. {len(self.cases)} cases of {patients} patients: "
            f"{diagnoses.count(True)} abnormal, {diagnoses.count(False)} normal, {diagnoses.count(None)} unknown; "
            f"phases {', '.join(phases)}."
        )


def check_cohort(table: Path, phases: Sequence[str], policy: LabelPolicy, executor: Executor) -> CheckedCohort:
    """Read a table and check all files of all cases.

    Raises:
        CohortError: the table itself is faulty, or one image stands under two cases. Faults of single cases are in the
            result.
    """
    cohort, faults = read_cohort(table, phases)
    if faults:
        raise CohortError(f"{table}: {len(faults)} faults in the table:", faults)
    checked = tuple(executor.map(partial(check_case, labels=policy), cohort.cases))
    faults = duplicate_images(checked)
    if faults:
        raise CohortError(f"{table}: the same scan is there more than once:", faults)
    return CheckedCohort(checked, table)


def fit_for_inputs(cohort: CheckedCohort, recipe: Recipe) -> CheckedCohort:
    """Add a fault to each case whose phases are to be stacked as they are, but lie on different grids."""
    stacked = [found.phases for found in recipe.networks.values() if not found.resample]
    cases = [
        replace(item, faults=(*item.faults, *(fault for phases in stacked for fault in grid_faults(item, phases))))
        for item in cohort.cases
    ]
    return replace(cohort, cases=tuple(cases))


def sort_out(cohort: CheckedCohort, on_bad_case: OnBadCase) -> tuple[list[CheckedCase], list[CheckedCase]]:
    """Part the good cases from the bad ones.

    Raises:
        CohortError: there are bad cases and they are not to be skipped, or none is good; every fault is listed.
    """
    good = [item for item in cohort.cases if not item.faults]
    bad = [item for item in cohort.cases if item.faults]
    if bad and (on_bad_case == "stop" or not good):
        faults = [fault for item in bad for fault in item.faults]
        heading = (
            f"{cohort.source}: {len(bad)} of {len(cohort.cases)} cases have faults. Mend them, or set them aside with "
            f"--on-bad-case skip:"
        )
        raise CohortError(heading, faults)
    return good, bad


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


def default_workers(device: str) -> int:
    """Give one worker for each core on a CPU, one in all on an accelerator."""
    return (os.cpu_count() or 1) if choose_device(device) == "cpu" else 1
