"""Lay a run out before anything is made: its request, its cases and folds, its stages."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pnetkit.cohort.check import CheckedCase
from pnetkit.cohort.folds import assign_folds
from pnetkit.cohort.predictions import Predictions, find_predictions
from pnetkit.networks import choose_device
from pnetkit.pipeline.code_change import Policy, settle_sources
from pnetkit.pipeline.device_fit import fit_to_device
from pnetkit.pipeline.drafting import AdoptedLabels
from pnetkit.pipeline.engine import Progress, WorkerPool
from pnetkit.pipeline.intake import (
    CheckedCohort,
    OnBadCase,
    check_cohort,
    default_workers,
    fit_for_inputs,
    label_policy,
    phantom_cohort,
    sort_out,
)
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.plan import Plan, make_plan
from pnetkit.pipeline.store import Store
from pnetkit.recipe.check import LoadedRecipe

THREADS = 1
"""CPU threads of a worker: with one, results do not depend on the number of cores, and workers scale."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Say what to run, on what, and where to put it.

    A `table` of None stands for the recipe's phantoms; `predictions` stand in for networks. `ram_bytes` (of all
    processes together) and `vram_bytes` are limits, None for none.
    """

    loaded: LoadedRecipe
    table: Path | None
    store_root: Path
    out: Path | None
    device: str = "auto"
    workers: int | None = None
    predictions: Predictions | None = None
    on_bad_case: OnBadCase = "stop"
    on_code_change: Policy = "rebuild"
    ram_bytes: int | None = None
    vram_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """Is told what goes on: sentences, the nodes planned, and how far each is."""

    say: Callable[[str], None] = field(default=lambda _: None)
    planned: Callable[[Sequence[Node]], None] = field(default=lambda _: None)
    progress: Callable[[Progress], None] = field(default=lambda _: None)


@dataclass(frozen=True, slots=True)
class Session:
    """Hold what several runs share: the workers and their number, and the cohorts that were checked a moment ago."""

    executor: Executor
    workers: int
    checked: dict[tuple[object, ...], CheckedCohort] = field(default_factory=dict)


@contextmanager
def open_session(device: str, workers: int | None) -> Iterator[Session]:
    """Start the workers for one run or several."""
    count = default_workers(device) if workers is None else workers
    with WorkerPool(count, threads=THREADS) as executor:
        yield Session(executor, count)


@dataclass(frozen=True, slots=True)
class Layout:
    """A run before anything is made: its cases, folds and stages, and its cohort in words."""

    good: list[CheckedCase]
    bad: list[CheckedCase]
    folds: Mapping[str, int]
    plan: Plan
    cohort: str


def lay_out(request: RunRequest, store: Store, session: Session, listener: Listener) -> Layout:
    """Check the cohort, deal it into folds, and lay out every stage; nothing is made but missing phantoms.

    Raises:
        PnetkitError: the recipe, the cohort, the predictions or a plugin cannot be used.
    """
    recipe = fit_to_device(request.loaded.recipe, choose_device(request.device))
    checked, cohort = _take_in(request, store, session, listener)
    checked, adopted = _with_predictions(fit_for_inputs(checked, recipe), request)
    good, bad = sort_out(checked, request.on_bad_case)
    sources, changed = settle_sources(recipe, store, request.on_code_change)
    for line in changed:
        listener.say(line)
    folds = assign_folds([item.case for item in good], folds=recipe.cohort.folds, seed=recipe.cohort.seed)
    return Layout(good, bad, folds, make_plan(recipe, good, folds, sources, adopted), cohort)


def _with_predictions(checked: CheckedCohort, request: RunRequest) -> tuple[CheckedCohort, AdoptedLabels | None]:
    """Add the faults of predictions made elsewhere to their cases, and give those that are to be taken over."""
    predictions = request.predictions
    if predictions is None:
        return checked, None
    phases = [found.phases[0] for found in request.loaded.recipe.networks.values()]
    files, faults = find_predictions(predictions, checked.cases, phases)
    cases = tuple(replace(item, faults=(*item.faults, *faults.get(item.case.id, ()))) for item in checked.cases)
    policy = predictions.labels
    mapping = None if policy.mapping is None else {str(k): v for k, v in policy.mapping.items()}
    return replace(checked, cases=cases), AdoptedLabels(files, {"mapping": mapping, "unmapped": policy.unmapped})


def _take_in(request: RunRequest, store: Store, session: Session, listener: Listener) -> tuple[CheckedCohort, str]:
    recipe, table = request.loaded.recipe, request.table
    if table is None:
        table = phantom_cohort(recipe, store, session.executor)
        cohort = f"generated phantoms, seed {recipe.cohort.seed} (synthetic, not clinical data)"
    else:
        cohort = f"{table.name} of {table.resolve().parent.name}"
        listener.say(f"Checking every file of {table}.")
    policy = label_policy(recipe)
    key = (table, recipe.phases, json.dumps(policy.mapping), policy.unmapped)
    if key not in session.checked:
        session.checked[key] = check_cohort(table, recipe.phases, policy, session.executor)
        for note in session.checked[key].notes:
            listener.say(f"note: {note}")
    return session.checked[key], cohort
