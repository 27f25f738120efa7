"""Lay out the stages of a run: which nodes there are, and what each builds on."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pnetkit.cohort.check import CheckedCase
from pnetkit.errors import Fault, RecipeError
from pnetkit.interfaces import Backbone, FeatureBackbone, TrainedCaseClassifier
from pnetkit.networks import build_seeded, check_patch_size
from pnetkit.pipeline.code_change import Sources
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.plugins import build, identify
from pnetkit.recipe.models import PluginChoice, Recipe
from pnetkit.types import CLASSES, FeatureNeeds, Triple


@dataclass(frozen=True, slots=True)
class CaseNodes:
    """Name the final nodes of one phase of one case; `measure` is None without a reference label."""

    segment: Node
    postprocess: Node
    classify: Node
    measure: Node | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold all nodes of a run, in an order in which each comes after what it builds on."""

    nodes: tuple[Node, ...]
    cases: Mapping[tuple[str, str], CaseNodes]
    plugins: Mapping[str, Any]
    parameters: int


@dataclass(frozen=True, slots=True)
class _Parts:
    """A recipe's plugins and settings, as the keys of the stages know them."""

    backbone: dict[str, Any]
    chain: list[dict[str, Any]]
    classifier: dict[str, Any]
    needs: FeatureNeeds
    intensity: dict[str, Any]
    labels: dict[str, Any]
    training: dict[str, Any]
    inference: dict[str, Any]
    in_channels: int


def make_plan(
    recipe: Recipe, cases: Sequence[CheckedCase], folds: Mapping[str, int], sources: Sources | None = None
) -> Plan:
    """Lay out training, segmentation, rules, features and measurement for every phase, case and fold.

    Cases are taken in the order of their ids, so that the order of a table's rows changes nothing. `sources` are the
    plugins' source digests that stand in keys; those of the present sources where none is given.

    Raises:
        PluginError: a plugin cannot be built, or does not fit the others or the recipe's patch size.
        RecipeError: a fold has no case with a reference label to train on.
    """
    cases = sorted(cases, key=lambda item: item.case.id)
    parts, parameters = _parts(recipe, sources or {})
    nodes: dict[str, Node] = {}

    def add(node: Node) -> Node:
        return nodes.setdefault(node.key, node)

    final: dict[tuple[str, str], CaseNodes] = {}
    faults: list[Fault] = []
    for phase in recipe.phases:
        of_phase = [item for item in cases if phase in item.scans]
        labeled = [item for item in of_phase if item.scans[phase].label_digest is not None]
        prepared = {item.case.id: add(_prepare(item, phase, parts)) for item in labeled}
        for fold in sorted({folds[item.case.id] for item in of_phase}):
            training = [item for item in labeled if folds[item.case.id] != fold]
            if not training:
                faults.append(Fault(f"{phase}, fold {fold}", "no training case has a reference label"))
                continue
            train = add(_train(recipe, parts, phase, fold, training, [prepared[t.case.id] for t in training]))
            fitted = _fit(recipe, parts, phase, fold, training, train, add)
            for item in of_phase:
                if folds[item.case.id] == fold:
                    final[item.case.id, phase] = _test(recipe, parts, phase, item, train, fitted, add)
    if faults:
        raise RecipeError(f"The recipe {recipe.name} cannot be trained on this cohort:", faults)
    plugins = {"backbone": parts.backbone, "postprocess": parts.chain, "classifier": parts.classifier}
    plugins["fusion"] = _identify("phase-fusion", recipe.fusion, sources or {})
    return Plan(tuple(nodes.values()), final, plugins, parameters)


def _identify(kind: str, choice: PluginChoice, sources: Sources) -> dict[str, Any]:
    found = identify(kind, choice.plugin, choice.params)
    return found | {"source": sources.get((kind, choice.plugin), found["source"])}


def _parts(recipe: Recipe, sources: Sources) -> tuple[_Parts, int]:
    backbone = _identify("backbone", recipe.backbone, sources)
    classifier = _identify("case-classifier", recipe.classifier, sources)
    built = build(classifier)
    needs = built.needs if isinstance(built, TrainedCaseClassifier) else FeatureNeeds()
    with torch.device("meta"):
        shape_only = build_seeded(lambda: build(backbone, in_channels=1, num_classes=len(CLASSES)), 0)
    window = recipe.inference.window_size or recipe.training.patch_size
    check_patch_size(shape_only, recipe.training.patch_size, "training.patch_size")
    check_patch_size(shape_only, window, "inference.window_size")
    _check_features(shape_only, needs, recipe)
    training = recipe.training.model_dump(mode="json")
    for key in ("seed", "repeat_seeds", "checkpoint_every"):
        del training[key]
    labels = recipe.cohort.labels
    parts = _Parts(
        backbone=backbone,
        chain=[_identify("postprocessor", choice, sources) for choice in recipe.postprocess],
        classifier=classifier,
        needs=needs,
        intensity=recipe.intensity.model_dump(mode="json"),
        labels={
            "mapping": None if labels is None else {str(k): v for k, v in labels.items()},
            "unmapped": recipe.cohort.unmapped_labels,
        },
        training=training,
        inference=_inference_identity(recipe, window),
        in_channels=1,
    )
    return parts, sum(p.numel() for p in shape_only.parameters())


def _inference_identity(recipe: Recipe, window: Triple) -> dict[str, Any]:
    """Give what decides a segmentation; a mean of probabilities may depend on the batch in its last bit."""
    settings = recipe.inference
    found = {
        "window_size": list(window),
        "stride": [settings.stride] * 3 if isinstance(settings.stride, int) else list(settings.stride),
        "keep_votes": settings.keep_votes,
        "precision": settings.precision,
    }
    if settings.combine != "vote":
        found |= {"combine": settings.combine, "batch_size": settings.batch_size}
    return found


def _check_features(backbone: Backbone, needs: FeatureNeeds, recipe: Recipe) -> None:
    published = backbone.spec.features if isinstance(backbone, FeatureBackbone) else {}
    missing = [name for name in needs.names if name not in published]
    if missing:
        fault = Fault(
            "classifier",
            f"{recipe.classifier.plugin!r} needs the feature maps {', '.join(missing)}, but the backbone "
            f"{recipe.backbone.plugin!r} publishes {', '.join(published) or 'none'}. Choose others.",
        )
        raise RecipeError(f"The plugins of the recipe {recipe.name} do not fit each other:", [fault])


def _prepare(item: CheckedCase, phase: str, parts: _Parts) -> Node:
    return Node(
        "prepare",
        f"{item.case.id} {phase}",
        identity={"intensity": parts.intensity, "labels": parts.labels},
        files=_files(item, phase, "image", "label"),
    )


def _train(
    recipe: Recipe, parts: _Parts, phase: str, fold: int, training: Sequence[CheckedCase], prepared: Sequence[Node]
) -> Node:
    return Node(
        "train",
        f"{phase} fold {fold}",
        identity={
            "backbone": parts.backbone,
            "in_channels": parts.in_channels,
            "training": parts.training,
            "seed": _seed(recipe.training.seed, "train", phase, fold),
            "abnormal": [bool(item.case.abnormal) for item in training],
        },
        inputs={f"{i:05}": node.key for i, node in enumerate(prepared)},
        given={
            "case_ids": [item.case.id for item in training],
            "checkpoint_every": recipe.training.checkpoint_every,
        },
        weight=recipe.training.iterations,
    )


def _fit(
    recipe: Recipe, parts: _Parts, phase: str, fold: int, training: Sequence[CheckedCase], train: Node, add: Any
) -> Node | None:
    """Lay out features and fitting for a classifier that learns; None for a rule."""
    if not parts.needs.names:
        return None
    diagnosed = [item for item in training if item.case.abnormal is not None]
    maps = [
        add(
            Node(
                "features",
                f"{item.case.id} {phase} for training fold {fold}",
                identity=_feature_identity(parts, parts.needs.training_margin_voxels),
                inputs={"train": train.key},
                files=_files(item, phase, "image", "label"),
            )
        )
        for item in diagnosed
    ]
    node: Node = add(
        Node(
            "fit",
            f"{phase} fold {fold}",
            identity={
                "classifier": parts.classifier,
                "labels": parts.labels,
                "phase": phase,
                "seed": _seed(recipe.training.seed, "fit", phase, fold),
                "abnormal": [bool(item.case.abnormal) for item in diagnosed],
            },
            inputs={f"{i:05}": node.key for i, node in enumerate(maps)},
            files={f"{i:05}": _files(item, phase, "label")["label"] for i, item in enumerate(diagnosed)},
            given={"case_ids": [item.case.id for item in diagnosed], "phase": phase},
        )
    )
    return node


def _test(
    recipe: Recipe, parts: _Parts, phase: str, item: CheckedCase, train: Node, fitted: Node | None, add: Any
) -> CaseNodes:
    """Lay out everything from the trained network to the finding of one phase of one case."""
    label = f"{item.case.id} {phase}"
    segment = add(
        Node(
            "segment",
            label,
            identity={"intensity": parts.intensity, "inference": parts.inference},
            inputs={"train": train.key},
            files=_files(item, phase, "image"),
            given={"batch_size": recipe.inference.batch_size},
        )
    )
    clean = add(Node("postprocess", label, identity={"chain": parts.chain}, inputs={"segment": segment.key}))
    inputs = {"postprocess": clean.key}
    if fitted is not None:
        maps = add(
            Node(
                "features",
                label,
                identity=_feature_identity(parts, parts.needs.margin_voxels),
                inputs={"train": train.key, "postprocess": clean.key},
                files=_files(item, phase, "image"),
            )
        )
        inputs |= {"features": maps.key, "fit": fitted.key}
    classify = add(
        Node(
            "classify",
            label,
            identity={"classifier": parts.classifier, "phase": phase},
            inputs=inputs,
            given={"case_id": item.case.id, "phase": phase},
        )
    )
    measure = None
    if item.scans[phase].label_digest is not None:
        measure = add(
            Node(
                "measure",
                label,
                identity={"labels": parts.labels},
                inputs={"postprocess": clean.key},
                files=_files(item, phase, "label"),
            )
        )
    return CaseNodes(segment, clean, classify, measure)


def _feature_identity(parts: _Parts, margin_voxels: int) -> dict[str, Any]:
    return {
        "names": list(parts.needs.names),
        "margin_voxels": margin_voxels,
        "intensity": parts.intensity,
        "labels": parts.labels,
    }


def _files(item: CheckedCase, phase: str, *which: str) -> dict[str, Any]:
    files, checked = item.case.scans[phase], item.scans[phase]
    known = {"image": (files.image, checked.image_digest), "label": (files.label, checked.label_digest)}
    return {name: known[name] for name in which}


def _seed(seed: int, *parts: object) -> int:
    """Derive a seed for one training, so that no two share their random numbers."""
    text = json.dumps([seed, *parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
