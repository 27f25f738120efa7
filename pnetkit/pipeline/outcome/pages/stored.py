"""Find what a store holds of a finished run, by stage and by what it is of; runs of earlier releases too."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pnetkit.errors import StoreError
from pnetkit.files import read_json
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.pipeline.stages import train
from pnetkit.store.node import Ref, Subject
from pnetkit.store.store import Store


@dataclass(frozen=True, slots=True)
class Stored:
    """Hold a run's results: the keys by stage and label, and the store, None where nobody knows where it is."""

    store: Store | None
    keys: Mapping[tuple[str, str], str]
    lacks: str = ""

    def ref(self, stage: str, subject: Subject) -> Ref | None:
        """Name a result that is there; None where the run has none, or the store has it no more."""
        key = self.keys.get((stage, subject.label))
        return Ref(stage, key) if key is not None and self.store is not None and self.store.has(stage, key) else None

    def first(self, stages: tuple[str, ...], subject: Subject) -> Ref | None:
        """Name the first of several results that is there."""
        return next((ref for stage in stages if (ref := self.ref(stage, subject)) is not None), None)


def stored(run: FinishedRun, store: Path | None) -> Stored:
    """Find the store of a run, or take the one that is given, and say what of it is gone."""
    keys = {(of["stage"], of["label"]): of["key"] for of in run.record["stages"]}
    try:
        place = store or run.store
    except StoreError as error:
        return Stored(None, keys, str(error))
    if not place.is_dir():
        return Stored(None, keys, f"The store {place.name} is not where it was when the run ended; give --store.")
    opened = Store(place)
    there = sum(opened.has(stage, key) for (stage, _), key in keys.items())
    lacks = "" if there == len(keys) else f"The store holds {there} of the {len(keys)} results of the run."
    return Stored(opened, keys, lacks)


def losses_of(found: Stored, run: FinishedRun) -> dict[str, dict[int, list[float]]]:
    """Read the course of the loss of every training that is there, by input and fold."""
    courses: dict[str, dict[int, list[float]]] = {}
    for name, fold, store, ref in _trainings(found, run):
        path = store.of(ref) / train.LOSSES
        if path.is_file():
            courses.setdefault(name, {})[fold] = [float(loss) for loss in read_json(path)]
    return courses


def watched_of(found: Stored, run: FinishedRun) -> dict[str, dict[int, list[tuple[float, float]]]]:
    """Read the Dice of the cases that trainings held back, each with its iteration, by input and fold."""
    courses: dict[str, dict[int, list[tuple[float, float]]]] = {}
    for name, fold, store, ref in _trainings(found, run):
        seen = [(float(of.iteration), of.mean_dice) for of in train.read_watched(store, ref)]
        known = [(iteration, dice) for iteration, dice in seen if dice is not None]
        if known:
            courses.setdefault(name, {})[fold] = known
    return courses


def _trainings(found: Stored, run: FinishedRun) -> Iterator[tuple[str, int, Store, Ref]]:
    folds = sorted({case["fold"] for case in run.record["cases"].values() if case["fold"] is not None})
    for name in run.record["inputs"]:
        for fold in folds:
            ref = found.ref(train.STAGE.name, Subject(name, folds=(fold,)))
            if ref is not None and found.store is not None:
                yield name, fold, found.store, ref


def records_of(found: Stored) -> dict[str, list[dict[str, Any]]]:
    """Read what every result says of how it was made, by stage."""
    records: dict[str, list[dict[str, Any]]] = {}
    if found.store is not None:
        for (stage, _), key in found.keys.items():
            if found.store.has(stage, key):
                records.setdefault(stage, []).append(found.store.record(stage, key))
    return records
