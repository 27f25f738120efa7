"""Lay out the stages of a run: which nodes there are, and what each builds on."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pnetkit.cohort.check import CheckedCase
from pnetkit.errors import Fault, RecipeError
from pnetkit.pipeline.code_change import Sources
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.parts import Input, Parts, take_apart
from pnetkit.pipeline.stages.inputs import image_name
from pnetkit.recipe.models import Recipe


@dataclass(frozen=True, slots=True)
class CaseNodes:
    """Name the final nodes of one phase of one case; `measure` is None without a reference label."""

    segment: Node
    postprocess: Node
    classify: Node
    measure: Node | None


@dataclass(frozen=True, slots=True)
class FoldNodes:
    """Name what was trained for one input and the test of one fold; `fit` is None where the classifier is a rule."""

    train: Node
    fit: Node | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold all nodes of a run, in an order in which each comes after what it builds on.

    `cases` are by case and input, `folds` by input and fold.
    """

    nodes: tuple[Node, ...]
    cases: Mapping[tuple[str, str], CaseNodes]
    folds: Mapping[tuple[str, int], FoldNodes]
    plugins: Mapping[str, Any]
    parameters: int


@dataclass(frozen=True, slots=True)
class _Draft:
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


def make_plan(
    recipe: Recipe, cases: Sequence[CheckedCase], folds: Mapping[str, int], sources: Sources | None = None
) -> Plan:
    """Lay out training, segmentation, rules, features and measurement for every phase, case and fold.

    Cases are taken in the order of their ids, so that the order of a table's rows changes nothing. `sources` are the
    plugins' source digests that stand in keys; those of the present sources where none is given.

    Raises:
        PluginError: a plugin cannot be built, or does not fit the others or the recipe's patch size.
        RecipeError: a network has no case with a reference label to train on.
    """
    cases = sorted(cases, key=lambda item: item.case.id)
    parts = take_apart(recipe, sources or {})
    nodes: dict[str, Node] = {}
    final: dict[tuple[str, str], CaseNodes] = {}
    trained: dict[tuple[str, int], FoldNodes] = {}
    faults: list[Fault] = []
    for seen in parts.inputs:
        there = [item for item in cases if all(phase in item.scans for phase in seen.phases)]
        labeled = [item for item in there if item.scans[seen.phases[0]].label_digest is not None]
        draft = _Draft(recipe, parts, seen, folds, nodes, faults, labeled)
        draft.prepared.update({item.case.id: draft.add(_prepare(draft, item)) for item in labeled})
        for fold in sorted({folds[item.case.id] for item in there}):
            train = _train(draft, [fold])
            if train is None:
                continue
            fitted = _fit(draft, fold, train)
            trained[seen.name, fold] = FoldNodes(train, fitted)
            for item in there:
                if folds[item.case.id] == fold:
                    final[item.case.id, seen.name] = _test(draft, item, train, fitted)
    if faults:
        raise RecipeError(f"The recipe {recipe.name} cannot be trained on this cohort:", list(dict.fromkeys(faults)))
    return Plan(tuple(nodes.values()), final, trained, parts.plugins, parts.parameters)


def _prepare(draft: _Draft, item: CheckedCase) -> Node:
    return Node(
        "prepare",
        f"{item.case.id} {draft.seen.name}",
        identity=_reading(draft) | {"labels": draft.parts.labels},
        files=_images(draft, item) | _label(draft, item),
    )


def _train(draft: _Draft, left_out: Sequence[int]) -> Node | None:
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
                "seed": _seed(recipe.training.seed, "train", name, *left_out),
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


def _fit(draft: _Draft, fold: int, train: Node) -> Node | None:
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
            network = _train(draft, sorted([fold, draft.folds[item.case.id]]))
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
                "seed": _seed(draft.recipe.training.seed, "fit", name, fold),
                "abnormal": [bool(item.case.abnormal) for item in diagnosed],
            },
            inputs=inputs,
            files=in_fold,
            given={"case_ids": [item.case.id for item in diagnosed], "phase": name},
        )
    )


def _test(draft: _Draft, item: CheckedCase, train: Node, fitted: Node | None) -> CaseNodes:
    """Lay out everything from the trained network to the finding of one phase of one case."""
    label, name = f"{item.case.id} {draft.seen.name}", draft.seen.name
    segment, clean = _segment(draft, item, train, label)
    inputs = {"postprocess": clean.key}
    if draft.parts.needs.names:
        inputs["features"] = _features(draft, item, train, clean, label).key
    if fitted is not None:
        inputs["fit"] = fitted.key
    classify = draft.add(
        Node(
            "classify",
            label,
            identity={"classifier": draft.parts.classifier, "phase": name},
            inputs=inputs,
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
                inputs={"postprocess": clean.key},
                files=_label(draft, item),
            )
        )
    return CaseNodes(segment, clean, classify, measure)


def _segment(draft: _Draft, item: CheckedCase, train: Node, label: str) -> tuple[Node, Node]:
    segment = draft.add(
        Node(
            "segment",
            label,
            identity=_reading(draft) | {"inference": draft.parts.inference},
            inputs={"train": train.key},
            files=_images(draft, item),
            given={
                "batch_size": draft.recipe.inference.batch_size,
                "shape": item.scans[draft.seen.phases[0]].grid.shape,
            },
        )
    )
    chain = {"chain": draft.parts.chain}
    return segment, draft.add(Node("postprocess", label, identity=chain, inputs={"segment": segment.key}))


def _features(draft: _Draft, item: CheckedCase, train: Node, clean: Node | None, label: str) -> Node:
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


def _reading(draft: _Draft) -> dict[str, Any]:
    """Give what decides how scans become an input."""
    return {"intensity": draft.parts.intensity} | ({"resample": True} if draft.seen.resample else {})


def _images(draft: _Draft, item: CheckedCase) -> dict[str, Any]:
    return {
        image_name(channel): (item.case.scans[phase].image, item.scans[phase].image_digest)
        for channel, phase in enumerate(draft.seen.phases)
    }


def _label(draft: _Draft, item: CheckedCase) -> dict[str, Any]:
    phase = draft.seen.phases[0]
    return {"label": (item.case.scans[phase].label, item.scans[phase].label_digest)}


def _seed(seed: int, *parts: object) -> int:
    """Derive a seed for one training, so that no two share their random numbers."""
    text = json.dumps([seed, *parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
