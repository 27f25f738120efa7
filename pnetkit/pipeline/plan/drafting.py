"""What builds on what: which cases a fold's network may see, what its classifier learns from, what becomes of a case.

Leakage would begin here. A network that is tested on a fold is trained on the cases of the other folds, and so is the
classifier that is fitted to what it says; a case is decided by the network and classifier of its own fold alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pnetkit.cohort.check import CheckedCase
from pnetkit.cohort.predictions import Adopted
from pnetkit.pipeline.stages import adopt, classify, features, fit, measure, postprocess, segment, train
from pnetkit.pipeline.stages.draft import Draft
from pnetkit.pipeline.stages.scans import scanned
from pnetkit.store.node import File, Node, Subject


@dataclass(frozen=True, slots=True)
class FoldNodes:
    """Name what was trained for one input and the test of one fold; `fit` is None where the classifier is a rule."""

    train: Node
    fit: Node | None


@dataclass(frozen=True, slots=True)
class CaseNodes:
    """Name the final nodes of one phase of one case; `measure` is None without a reference label.

    `segment` is a node of the stage `adopt` where the segmentation was made elsewhere.
    """

    segment: Node
    postprocess: Node
    classify: Node
    measure: Node | None


@dataclass(frozen=True, slots=True)
class AdoptedLabels:
    """Hold segmentations made elsewhere: files by case and phase, and what decides how their values become 0-3."""

    files: Adopted
    labels: Mapping[str, Any]


def fold_nodes(draft: Draft, fold: int) -> FoldNodes | None:
    """Lay out what is trained for the test of a fold; None, and a fault, where no case of another fold has a label."""
    network = train.draft(draft, [fold])
    if network is None:
        return None
    if not draft.parts.is_trained:
        return FoldNodes(network, None)
    evidence = _training_evidence(draft, fold, network)
    return None if evidence is None else FoldNodes(network, fit.draft(draft, fold, evidence))


def case_nodes(draft: Draft, item: CheckedCase, trained: FoldNodes) -> CaseNodes:
    """Lay out everything from the trained network of a case's fold to the finding of one phase of it."""
    subject = Subject(draft.seen.name, item.case.id)
    found = segment.draft(draft, item, trained.train, subject)
    clean = postprocess.draft(draft, found, subject)
    maps = features.draft(draft, item, trained.train, clean, subject) if draft.parts.needs.names else None
    return CaseNodes(
        found,
        clean,
        classify.draft(draft, item, clean, maps, trained.fit, train.spacing_of(trained.train)),
        measure.draft(draft, item, found, clean),
    )


def adopted_nodes(draft: Draft, item: CheckedCase, adopted: AdoptedLabels) -> CaseNodes:
    """Lay out the rules for a segmentation that was made elsewhere."""
    prediction = File(*adopted.files[item.case.id, draft.seen.phases[0]])
    found = adopt.draft(draft, item, prediction, adopted.labels)
    clean = postprocess.draft(draft, found, Subject(draft.seen.name, item.case.id))
    return CaseNodes(
        found, clean, classify.draft(draft, item, clean, None, None, None), measure.draft(draft, item, found, clean)
    )


def _training_evidence(draft: Draft, fold: int, network: Node) -> list[fit.TrainingEvidence] | None:
    """Lay out what a classifier learns from: the diagnosed cases of all folds but the one to be tested.

    A segmentation is always what a network says of the case, cleaned as any other: in fold the fold's own network,
    which has seen the case; out of fold one that has seen neither its fold nor the one to be tested. The reference
    label gives no more than the box of the maps, in fold. None, and a fault, where such a network cannot be trained.
    """
    found = []
    for item in draft.outside([fold]):
        if item.case.abnormal is None:
            continue
        subject = Subject(draft.seen.name, item.case.id, (fold,))
        left_out = sorted({fold, draft.folds[item.case.id]})
        asked = train.draft(draft, left_out) if draft.parts.out_of_fold else network
        if asked is None:
            return None
        found.append(_evidence_of(draft, item, asked, subject))
    return found


def _evidence_of(draft: Draft, item: CheckedCase, network: Node, subject: Subject) -> fit.TrainingEvidence:
    """Lay out what a network says of one training case, as far as the classifier looks at it."""
    needs, out_of_fold = draft.parts.needs, draft.parts.out_of_fold
    clean = maps = None
    if needs.training_segmentation or (needs.names and out_of_fold):
        clean = postprocess.draft(draft, segment.draft(draft, item, network, subject), subject)
    if needs.names:
        maps = features.draft(draft, item, network, clean if out_of_fold else None, subject)
    return fit.TrainingEvidence(
        case_id=item.case.id,
        abnormal=bool(item.case.abnormal),
        scan=scanned(draft, item, train.spacing_of(network))
        if needs.images or not needs.training_segmentation
        else None,
        features=None if maps is None else maps.ref,
        segmentation=clean.ref if clean is not None and needs.training_segmentation else None,
    )
