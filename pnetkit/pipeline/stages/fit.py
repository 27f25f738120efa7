"""Fit a case classifier that learns to the training cases of a fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, overload

import numpy as np

from pnetkit.interfaces import TrainedCaseClassifier
from pnetkit.method.parts import RulesOn
from pnetkit.method.plugins import build, save_plain
from pnetkit.method.rules import evidence_of
from pnetkit.method.seeds import plugin_seed
from pnetkit.pipeline.stages import features
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.draft import Draft
from pnetkit.pipeline.stages.needs import HALF_GPU
from pnetkit.pipeline.stages.scans import Scanned, spacing_identity
from pnetkit.pipeline.stages.segmentation import read_segmentation
from pnetkit.pipeline.stages.stage import Stage
from pnetkit.store.node import File, Node, Ref, Subject
from pnetkit.store.store import Store
from pnetkit.types import Evidence, Segmentation

CLASSIFIER = "model"
"""The folder into which a classifier saves itself."""


@dataclass(frozen=True, slots=True)
class TrainingEvidence:
    """Name what a classifier learns from one case: scans, maps, and what a network says; never a reference label.

    What the classifier does not look at is None. Without a segmentation it gets an empty one, on the scan's grid.
    """

    case_id: str
    abnormal: bool
    scan: Scanned | None
    features: Ref | None
    segmentation: Ref | None


@dataclass(frozen=True, slots=True)
class FitSpec:
    """In the key: classifier, phase, seed, diagnoses, evidence. Not: the cases' names, which nothing here looks at."""

    stage: ClassVar[str] = "fit"
    version: ClassVar[int] = 3

    classifier: Mapping[str, Any]
    phase: str
    seed: int
    evidence: tuple[TrainingEvidence, ...]
    rules_on: RulesOn = "scan"

    @property
    def identity(self) -> dict[str, Any]:
        """Give what is fitted, under which seed, to cases of which diagnoses, and at which spacings where there are."""
        where: dict[str, Any] = {} if self.rules_on == "scan" else {"rules_on": self.rules_on}
        spacings = [None if of.scan is None else of.scan.spacing_mm for of in self.evidence]
        if any(spacings):
            where["scans"] = [spacing_identity(of) for of in spacings]
        return {
            "classifier": dict(self.classifier),
            "phase": self.phase,
            "seed": self.seed,
            "abnormal": [of.abnormal for of in self.evidence],
        } | where

    @property
    def inputs(self) -> dict[str, Ref]:
        """Give the maps and the segmentation of each case."""
        found: dict[str, Ref] = {}
        for i, of in enumerate(self.evidence):
            found |= {} if of.features is None else {f"features_{i:05}": of.features}
            found |= {} if of.segmentation is None else {f"postprocess_{i:05}": of.segmentation}
        return found

    @property
    def files(self) -> dict[str, File]:
        """Give the scans of each case."""
        there = [(i, of.scan) for i, of in enumerate(self.evidence) if of.scan is not None]
        return {f"{i:05}_{name}": file for i, scan in there for name, file in scan.files.items()}


def draft(draft: Draft, fold: int, evidence: Sequence[TrainingEvidence]) -> Node:
    """Lay out the fitting for one fold to the evidence of its training cases."""
    name = draft.seen.name
    seed = plugin_seed(draft.recipe.training.seed, "fit", name, fold)
    spec = FitSpec(draft.parts.classifier, name, seed, tuple(evidence), draft.parts.rules_on)
    return draft.add(spec, Subject(name, folds=(fold,)))


def run(spec: FitSpec, context: Context, folder: Path) -> dict[str, Any]:
    """Fit the classifier, and let it save itself."""
    classifier = _learning(spec.classifier)
    abnormal = [of.abnormal for of in spec.evidence]
    evidence = _Read(spec, context.store, images=classifier.needs.images)
    classifier.fit(evidence, abnormal, seed=spec.seed, device=context.device)
    save_plain(classifier, folder / CLASSIFIER, spec.classifier)
    return {"cases": len(abnormal)}


def read(store: Store, ref: Ref, identity: Mapping[str, Any]) -> TrainedCaseClassifier:
    """Build the classifier and give it what was fitted."""
    classifier = _learning(identity)
    classifier.load(store.of(ref) / CLASSIFIER)
    return classifier


def _learning(identity: Mapping[str, Any]) -> TrainedCaseClassifier:
    classifier = build(identity)
    if not isinstance(classifier, TrainedCaseClassifier):
        raise TypeError(f"{identity['plugin']} is not a classifier that can be fitted")
    return classifier


class _Read(Sequence[Evidence]):
    """The evidence of a fold's training cases, read one by one: hundreds of CTs would fill the memory."""

    def __init__(self, spec: FitSpec, store: Store, *, images: bool) -> None:
        self._spec, self._store, self._images = spec, store, images

    def __len__(self) -> int:
        return len(self._spec.evidence)

    @overload
    def __getitem__(self, index: int) -> Evidence: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Evidence]: ...

    def __getitem__(self, index: int | slice) -> Evidence | Sequence[Evidence]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        of = self._spec.evidence[index]
        maps, grids = ({}, {}) if of.features is None else features.read(self._store, of.features)
        images = of.scan.read() if of.scan is not None and self._images else {}
        return evidence_of(self._spec.phase, self._segmentation(of), maps, feature_grids=grids, images=images)

    def _segmentation(self, of: TrainingEvidence) -> Segmentation:
        if of.segmentation is not None:
            return read_segmentation(self._store, of.segmentation, self._spec.rules_on)
        if of.scan is None:
            raise ValueError(f"{of.case_id} has neither a segmentation nor a scan whose grid an empty one could have")
        grid = of.scan.grid
        return Segmentation(np.zeros(grid.shape, np.uint8), grid)


STAGE = Stage(FitSpec.stage, run, needs=HALF_GPU)
