"""Lay a run out before anything is made: its request, its cases and folds, its stages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pnetkit.cohort.check import CheckedCase
from pnetkit.cohort.checked import CheckedCohort, check_cohort, sort_out
from pnetkit.cohort.file_names import require_distinct_names
from pnetkit.cohort.folds import assign_folds
from pnetkit.cohort.kept_checks import Kept
from pnetkit.cohort.predictions import find_predictions
from pnetkit.files import digest, disk_errors_in_words
from pnetkit.locks.file_system import file_system_of
from pnetkit.locks.way import agree
from pnetkit.method.device_fit import fit_to_device
from pnetkit.method.window_norms import window_hint
from pnetkit.networks import choose_device
from pnetkit.pipeline.engine.session import Listener, Session
from pnetkit.pipeline.plan.cohort import fit_for_inputs, label_policy, phantom_cohort
from pnetkit.pipeline.plan.drafting import AdoptedLabels
from pnetkit.pipeline.plan.graph import Graph, make_graph
from pnetkit.pipeline.plan.request import RunRequest
from pnetkit.recipe.models import Recipe
from pnetkit.store.code_change import settle_sources
from pnetkit.store.store import Store
from pnetkit.types import Case

CHECKS = "checks.sqlite"
"""The file of a store that keeps what checks of a cohort's files found."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A run before anything is made: its cases, folds and stages, its cohort in words, and the key of them all."""

    good: list[CheckedCase]
    bad: list[CheckedCase]
    folds: Mapping[str, int]
    graph: Graph
    cohort: str
    run_key: str


def lay_out(request: RunRequest, store: Store, session: Session, listener: Listener, *, note: bool = True) -> Layout:
    """Check the cohort, deal it into folds, and lay out every stage; nothing is made but missing phantoms.

    With `note` the plugins' sources are noted in the store, as where the run is really made.

    Raises:
        PnetkitError: the recipe, the cohort, the predictions or a plugin cannot be used.
    """
    recipe = fit_to_device(request.loaded.recipe, choose_device(request.device))
    checked, cohort = _take_in(request, store, session, listener, note=note)
    require_distinct_names([item.case.id for item in checked.cases], tuple(recipe.networks))
    checked, adopted = _with_predictions(fit_for_inputs(checked, recipe), request, session, _kept(request, store, note))
    good, bad = sort_out(checked, request.on_bad_case)
    sources, changed = settle_sources(recipe, store, request.on_code_change, note=note)
    for line in changed:
        listener.say(line)
    folds = _dealt(
        recipe, [item.case for item in good], may_be_few=adopted is not None or not recipe.training.iterations
    )
    graph = make_graph(recipe, good, folds, sources, adopted)
    hint = None if adopted is not None else window_hint(recipe)
    if hint is not None:
        listener.say(hint)
    return Layout(good, bad, folds, graph, cohort, _run_key(recipe, graph, good, bad, folds))


def _dealt(recipe: Recipe, cases: Sequence[Case], *, may_be_few: bool) -> dict[str, int]:
    """Deal cases into folds; a few patients, or one, where nothing is trained."""
    settings = recipe.cohort
    if may_be_few and settings.dealing == "even":
        few = min(settings.folds, len({case.patient for case in cases if not case.held_out}))
        if few < settings.folds:
            return assign_folds(cases, folds=max(few, 1), seed=settings.seed)
    return assign_folds(
        cases, folds=settings.folds, seed=settings.seed, dealing=settings.dealing, may_be_empty=may_be_few
    )


def _kept(request: RunRequest, store: Store, note: bool) -> Kept:
    return Kept(store.root / CHECKS, is_read=not request.verify_files, is_written=note)


def _with_predictions(
    checked: CheckedCohort, request: RunRequest, session: Session, kept: Kept
) -> tuple[CheckedCohort, AdoptedLabels | None]:
    """Add the faults of predictions made elsewhere to their cases, and give those that are to be taken over."""
    predictions = request.predictions
    if predictions is None:
        return checked, None
    phases = [found.phases[0] for found in request.loaded.recipe.networks.values()]
    files, faults = find_predictions(predictions, checked.cases, phases, session.executor, kept)
    cases = tuple(replace(item, faults=(*item.faults, *faults.get(item.case.id, ()))) for item in checked.cases)
    policy = predictions.labels
    mapping = None if policy.mapping is None else {str(k): v for k, v in policy.mapping.items()}
    return replace(checked, cases=cases), AdoptedLabels(files, {"mapping": mapping, "unmapped": policy.unmapped})


def _take_in(
    request: RunRequest, store: Store, session: Session, listener: Listener, *, note: bool
) -> tuple[CheckedCohort, str]:
    recipe, table = request.loaded.recipe, request.table
    if note and (table is None or table.is_file()):  # else that is said, and nothing is written
        _agree(request, listener)
    if table is None:
        table = phantom_cohort(recipe, store, session.executor)
        cohort = f"generated phantoms, seed {recipe.cohort.seed} (synthetic, not clinical data)"
    else:
        cohort = f"{table.name} of {table.resolve().parent.name}"
        read = "Checking every file of" if request.verify_files else "Checking what is new or has changed of"
        listener.say(f"{read} {table}.")
    policy = label_policy(recipe)
    key = (table, recipe.phases, json.dumps(policy.mapping), policy.unmapped)
    if key not in session.checked:
        kept = _kept(request, store, note)
        session.checked[key] = check_cohort(table, recipe.phases, policy, session.executor, kept)
        for worth_knowing in session.checked[key].notes:
            listener.say(f"note: {worth_knowing}")
    return session.checked[key], cohort


def _agree(request: RunRequest, listener: Listener) -> None:
    """Settle how the processes that share the store exclude each other, and say where it is not as on a disk."""
    with disk_errors_in_words(request.store_root):
        way = agree(request.store_root, request.store_locks)
    if way.kind == "claims":
        on = file_system_of(request.store_root) or "a file system that is not known"
        listener.say(
            f"The store lies on {on}: runs of all machines that have it share its work, by claims. One that dies is "
            f"noticed on other machines after {way.pace.stale_s:.0f} s."
        )


def _run_key(
    recipe: Recipe, graph: Graph, good: list[CheckedCase], bad: list[CheckedCase], folds: Mapping[str, int]
) -> str:
    point = recipe.operating_point
    held_out = sorted(item.case.id for item in good if item.case.held_out)
    learned = {
        "seed": recipe.training.seed,
        "folds": dict(folds),
    }  # trainings hold these too, where there are any
    return digest(
        {
            "nodes": sorted(node.key for node in graph.nodes),
            "fusion": graph.plugins["fusion"],
            "cases": {item.case.id: item.case.abnormal for item in good},
            "bad": sorted(item.case.id for item in bad),
            "name": recipe.name,
            "operating_point": None if point is None else point.model_dump(mode="json"),
        }
        | (learned if graph.fusion_is_trained else {})
        | ({"point_folds": dict(folds)} if point is not None and not graph.folds else {})  # else trainings hold them
        | ({"held_out": held_out} if held_out else {})
    )
