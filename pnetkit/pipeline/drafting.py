"""Lay out single stages: what each is made of, for one input of a recipe."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pnetkit.cohort.check import CheckedCase
from pnetkit.cohort.predictions import Adopted
from pnetkit.errors import Fault
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.parts import Input, Parts
from pnetkit.pipeline.stages.inputs import image_name
from pnetkit.recipe.models import Recipe


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


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan in the making, for one input: `prepared` holds the cases that networks can be trained on."""

    recipe: Recipe
    parts: Parts
    seen: Input
    folds: Mapping[str, int]
    nodes: dict[str, Node]
    faults: list[Fault]
    labeled: Sequence[CheckedCase]
    prepared: dict[str, Node] = field(default_factory=dict)

    def add(self, node: Node) -> Node:
        """Take a node in, or give the equal one that is there."""
        return self.nodes.setdefault(node.key, node)

    def outside(self, left_out: Sequence[int]) -> list[CheckedCase]:
        """Give the labeled cases of all folds but some."""
        return [item for item in self.labeled if self.folds[item.case.id] not in left_out]


def prepare_node(draft: Draft, item: CheckedCase) -> Node:
    """Lay out the reading of a training case."""
    return Node(
        "prepare",
        f"{item.case.id} {draft.seen.name}",
        identity=_reading(draft) | {"labels": draft.parts.labels},
        files=_images(draft, item) | _label(draft, item),
    )


def train_node(draft: Draft, left_out: Sequence[int]) -> Node | None:
    """Lay out a training on all folds but some; None, and a fault, where no case is left."""
    name, recipe = draft.seen.name, draft.recipe
    training = draft.outside(left_out)
    folds = f"fold {left_out[0]}" if len(left_out) == 1 else f"folds {' and '.join(map(str, left_out))}"
    if not training:
        draft.faults.append(Fault(f"{name}, {folds}", "no training case has a reference label"))
        return None
    return draft.add(
        Node(
            "train",
            f"{name} {folds}",
            identity={
                "backbone": draft.parts.backbone,
                "in_channels": len(draft.seen.phases),
                "training": draft.parts.training,
                "seed": derived_seed(recipe.training.seed, "train", name, *left_out),
                "abnormal": [bool(item.case.abnormal) for item in training],
            },
            inputs={f"{i:05}": draft.prepared[item.case.id].key for i, item in enumerate(training)},
            given={
                "case_ids": [item.case.id for item in training],
                "checkpoint_every": recipe.training.checkpoint_every,
            },
            weight=recipe.training.iterations,
        )
    )


def fit_node(draft: Draft, fold: int, train: Node) -> Node | None:
    """Lay out evidence and fitting for a classifier that learns; None for a rule, and where networks cannot be trained.

    The evidence of a training case is the region of its reference label as the fold's own network sees it, which has
    seen the case; or, out of fold, what a network says of it that has seen neither its fold nor the one to be tested.
    """
    parts, name = draft.parts, draft.seen.name
    if not parts.is_trained:
        return None
    diagnosed = [item for item in draft.outside([fold]) if item.case.abnormal is not None]
    inputs: dict[str, str] = {}
    for i, item in enumerate(diagnosed):
        label = f"{item.case.id} {name} for training fold {fold}"
        if parts.out_of_fold:
            network = train_node(draft, sorted([fold, draft.folds[item.case.id]]))
            if network is None:
                return None
            _, clean = _segment(draft, item, network, label)
            inputs[f"postprocess_{i:05}"] = clean.key
            inputs[f"features_{i:05}"] = _features(draft, item, network, clean, label).key
        else:
            inputs[f"features_{i:05}"] = _features(draft, item, train, None, label).key
    in_fold = {} if parts.out_of_fold else {f"{i:05}": _label(draft, x)["label"] for i, x in enumerate(diagnosed)}
    return draft.add(
        Node(
            "fit",
            f"{name} fold {fold}",
            identity={
                "classifier": parts.classifier,
                "labels": parts.labels,
                "phase": name,
                "seed": derived_seed(draft.recipe.training.seed, "fit", name, fold),
                "abnormal": [bool(item.case.abnormal) for item in diagnosed],
            },
            inputs=inputs,
            files=in_fold,
            given={"case_ids": [item.case.id for item in diagnosed], "phase": name},
        )
    )


def case_nodes(draft: Draft, item: CheckedCase, train: Node, fitted: Node | None) -> CaseNodes:
    """Lay out everything from the trained network to the finding of one phase of one case."""
    label = f"{item.case.id} {draft.seen.name}"
    segment, clean = _segment(draft, item, train, label)
    inputs = {}
    if draft.parts.needs.names:
        inputs["features"] = _features(draft, item, train, clean, label).key
    if fitted is not None:
        inputs["fit"] = fitted.key
    return _judge(draft, item, segment, clean, inputs)


def adopted_nodes(draft: Draft, item: CheckedCase, adopted: AdoptedLabels) -> CaseNodes:
    """Lay out the rules for a segmentation that was made elsewhere."""
    label, first = f"{item.case.id} {draft.seen.name}", draft.seen.phases[0]
    segment = draft.add(
        Node(
            "adopt",
            label,
            identity={"labels": dict(adopted.labels)},
            files={
                "prediction": adopted.files[item.case.id, first],
                "image": (item.case.scans[first].image, item.scans[first].image_digest),
            },
        )
    )
    return _judge(draft, item, segment, _clean(draft, segment, label), {})


def _judge(draft: Draft, item: CheckedCase, segment: Node, clean: Node, inputs: Mapping[str, str]) -> CaseNodes:
    """Lay out the classifier, and the measurement where there is a reference label."""
    label, name = f"{item.case.id} {draft.seen.name}", draft.seen.name
    classify = draft.add(
        Node(
            "classify",
            label,
            identity={"classifier": draft.parts.classifier, "phase": name},
            inputs={"postprocess": clean.key, **inputs},
            given={"case_id": item.case.id, "phase": name},
        )
    )
    measure = None
    if item.scans[draft.seen.phases[0]].label_digest is not None:
        measure = draft.add(
            Node(
                "measure",
                label,
                identity={"labels": draft.parts.labels},
                inputs={"postprocess": clean.key} | _region_of(segment),
                files=_label(draft, item),
            )
        )
    return CaseNodes(segment, clean, classify, measure)


def _region_of(segment: Node) -> dict[str, str]:
    """Name the segmentation whose region is measured, if it is one of a coarse-to-fine search."""
    return {"segment": segment.key} if "coarse" in segment.identity.get("inference", {}) else {}


def _segment(draft: Draft, item: CheckedCase, train: Node, label: str) -> tuple[Node, Node]:
    segment = draft.add(
        Node(
            "segment",
            label,
            identity=_reading(draft) | {"inference": draft.parts.inference},
            inputs={"train": train.key},
            files=_images(draft, item),
            given={
                "batch_size": draft.recipe.inference.windows_at_once,
                "shape": item.scans[draft.seen.phases[0]].grid.shape,
            },
        )
    )
    return segment, _clean(draft, segment, label)


def _clean(draft: Draft, segment: Node, label: str) -> Node:
    chain = {"chain": draft.parts.chain}
    return draft.add(Node("postprocess", label, identity=chain, inputs={segment.stage: segment.key}))


def _features(draft: Draft, item: CheckedCase, train: Node, clean: Node | None, label: str) -> Node:
    """Lay out the maps around the prediction `clean`, or around the reference label where that is None."""
    needs = draft.parts.needs
    margin = needs.training_margin_voxels if clean is None else needs.margin_voxels
    return draft.add(
        Node(
            "features",
            label,
            identity=_reading(draft)
            | {"names": list(needs.names), "margin_voxels": margin, "labels": draft.parts.labels},
            inputs={"train": train.key} | ({} if clean is None else {"postprocess": clean.key}),
            files=_images(draft, item) | (_label(draft, item) if clean is None else {}),
        )
    )


def _reading(draft: Draft) -> dict[str, Any]:
    """Give what decides how scans become an input."""
    return {"intensity": draft.parts.intensity} | ({"resample": True} if draft.seen.resample else {})


def _images(draft: Draft, item: CheckedCase) -> dict[str, Any]:
    return {
        image_name(channel): (item.case.scans[phase].image, item.scans[phase].image_digest)
        for channel, phase in enumerate(draft.seen.phases)
    }


def _label(draft: Draft, item: CheckedCase) -> dict[str, Any]:
    phase = draft.seen.phases[0]
    return {"label": (item.case.scans[phase].label, item.scans[phase].label_digest)}


def derived_seed(seed: int, *parts: object) -> int:
    """Derive a seed for one training, so that no two share their random numbers."""
    text = json.dumps([seed, *parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
