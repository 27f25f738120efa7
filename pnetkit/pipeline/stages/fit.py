"""Fit a case classifier that learns to the training cases of a fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, overload

from pnetkit.imaging.nifti import read_grid
from pnetkit.interfaces import TrainedCaseClassifier
from pnetkit.method.plugins import build
from pnetkit.method.rules import evidence_of
from pnetkit.method.seeds import derived_seed
from pnetkit.pipeline.stages import features
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.draft import Draft
from pnetkit.pipeline.stages.scans import read_reference
from pnetkit.pipeline.stages.segmentation import read_segmentation
from pnetkit.pipeline.stages.stage import Stage
from pnetkit.store.node import File, Node, Ref, Subject
from pnetkit.store.store import Store
from pnetkit.types import Evidence, Segmentation

CLASSIFIER = "model"
"""The folder into which a classifier saves itself."""


@dataclass(frozen=True, slots=True)
class TrainingEvidence:
    """Name what a classifier learns from one case: maps, and a network's segmentation or the reference label."""

    case_id: str
    abnormal: bool
    features: Ref
    segmentation: Ref | File


@dataclass(frozen=True, slots=True)
class FitSpec:
    """In the key: classifier, phase, seed, diagnoses, evidence. Not: the cases' names, which nothing here looks at."""

    stage: ClassVar[str] = "fit"
    version: ClassVar[int] = 2

    classifier: Mapping[str, Any]
    labels: Mapping[str, Any]
    phase: str
    seed: int
    evidence: tuple[TrainingEvidence, ...]

    @property
    def identity(self) -> dict[str, Any]:
        """Give what is fitted, under which seed, to cases of which diagnoses."""
        return {
            "classifier": dict(self.classifier),
            "labels": dict(self.labels),
            "phase": self.phase,
            "seed": self.seed,
            "abnormal": [of.abnormal for of in self.evidence],
        }

    @property
    def inputs(self) -> dict[str, Ref]:
        """Give the maps of each case, and the segmentations that networks made."""
        found = {f"features_{i:05}": of.features for i, of in enumerate(self.evidence)}
        seen = {i: of.segmentation for i, of in enumerate(self.evidence)}
        return found | {f"postprocess_{i:05}": ref for i, ref in seen.items() if isinstance(ref, Ref)}

    @property
    def files(self) -> dict[str, File]:
        """Give the reference labels that stand in for segmentations."""
        seen = {i: of.segmentation for i, of in enumerate(self.evidence)}
        return {f"{i:05}": file for i, file in seen.items() if isinstance(file, File)}


def draft(draft: Draft, fold: int, evidence: Sequence[TrainingEvidence]) -> Node:
    """Lay out the fitting for one fold to the evidence of its training cases."""
    name = draft.seen.name
    seed = derived_seed(draft.recipe.training.seed, "fit", name, fold)
    return draft.add(
        FitSpec(draft.parts.classifier, draft.labels, name, seed, tuple(evidence)), Subject(name, folds=(fold,))
    )


def run(spec: FitSpec, context: Context, folder: Path) -> dict[str, Any]:
    """Fit the classifier, and let it save itself."""
    classifier = _learning(spec.classifier)
    abnormal = [of.abnormal for of in spec.evidence]
    classifier.fit(_Read(spec, context.store), abnormal, seed=spec.seed, device=context.device)
    (folder / CLASSIFIER).mkdir()
    classifier.save(folder / CLASSIFIER)
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

    def __init__(self, spec: FitSpec, store: Store) -> None:
        self._spec = spec
        self._store = store

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
        maps = features.read(self._store, of.features)
        return evidence_of(self._spec.phase, self._segmentation(of.segmentation), maps)

    def _segmentation(self, source: Ref | File) -> Segmentation:
        if isinstance(source, Ref):
            return read_segmentation(self._store, source)
        return Segmentation(read_reference(source, self._spec.labels), read_grid(source.path))


STAGE = Stage(FitSpec.stage, run, on_device=True)
