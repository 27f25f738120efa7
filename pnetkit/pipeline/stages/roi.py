"""Feature maps of the pancreas region, and fitting a classifier to them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from safetensors.numpy import load_file, save

from pnetkit.imaging.nifti import read_grid, read_labels, write_atomically
from pnetkit.inference.features import roi_features
from pnetkit.interfaces import TrainedCaseClassifier
from pnetkit.pipeline.context import Context
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.plugins import build
from pnetkit.pipeline.stages.inputs import network_input, reference_labels, trained_backbone
from pnetkit.pipeline.stages.segment import LABELS
from pnetkit.types import BACKGROUND, Evidence, Segmentation

FEATURES = "features.safetensors"
"""The feature maps in the result of `features`; without tensors when there is no pancreas."""

MODEL = "model"
"""The folder into which a classifier saves itself in the result of `fit`."""


def features(node: Node, context: Context, folder: Path) -> dict[str, Any]:
    """Write the maps of the region: around the reference label in training, around the prediction in testing."""
    seen = network_input(node)
    if "postprocess" in node.inputs:
        labels, _ = read_labels(context.store.folder("postprocess", node.inputs["postprocess"]) / LABELS)
    else:
        labels = reference_labels(node)
    maps = roi_features(
        trained_backbone(node, context),
        seen.volume,
        labels > BACKGROUND,
        names=tuple(node.identity["names"]),
        margin_voxels=node.identity["margin_voxels"],
        fill=seen.air,
        device=context.device,
    )
    write_atomically(folder / FEATURES, save(maps))
    return {"shapes": {name: list(array.shape) for name, array in maps.items()}}


def fit(node: Node, context: Context, folder: Path) -> dict[str, Any]:
    """Fit the case classifier on the training cases of a fold, and save it."""
    classifier = build(node.identity["classifier"])
    if not isinstance(classifier, TrainedCaseClassifier):
        raise TypeError(f"{node.identity['classifier']['plugin']} is not a classifier that can be fitted")
    abnormal = [bool(value) for value in node.identity["abnormal"]]
    classifier.fit(_TrainingEvidence(node, context), abnormal, seed=node.identity["seed"], device=context.device)
    (folder / MODEL).mkdir()
    classifier.save(folder / MODEL)
    return {"cases": len(abnormal)}


class _TrainingEvidence(Sequence[Evidence]):
    """The evidence of a fold's training cases, read one by one: hundreds of CTs would fill the memory."""

    def __init__(self, node: Node, context: Context) -> None:
        self._node = node
        self._features = [context.store.folder("features", key) for key in _numbered(node.inputs, "features_")]
        self._predicted = [context.store.folder("postprocess", key) for key in _numbered(node.inputs, "postprocess_")]
        self._labels = [node.files[name] for name in sorted(node.files)]

    def __len__(self) -> int:
        return len(self._features)

    @overload
    def __getitem__(self, index: int) -> Evidence: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Evidence]: ...

    def __getitem__(self, index: int | slice) -> Evidence | Sequence[Evidence]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return Evidence(
            case_id=self._node.given["case_ids"][index],
            phase=self._node.given["phase"],
            segmentation=self._segmentation(index),
            features=load_file(self._features[index] / FEATURES),
        )

    def _segmentation(self, index: int) -> Segmentation:
        """Read the prediction of a network that has not seen the case, or the reference label."""
        if self._predicted:
            return Segmentation(*read_labels(self._predicted[index] / LABELS))
        label = self._labels[index]
        labels = reference_labels(Node("fit", "", self._node.identity, files={"label": label}))
        return Segmentation(labels, read_grid(label[0]))


def _numbered(inputs: Mapping[str, str], prefix: str) -> list[str]:
    return [key for name, key in sorted(inputs.items()) if name.startswith(prefix)]
