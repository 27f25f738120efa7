"""Clean a segmentation up with the recipe's chain of postprocessors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pnetkit.errors import PluginError
from pnetkit.imaging.nifti import read_labels, write_labels
from pnetkit.pipeline.context import Context
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.plugins import build
from pnetkit.pipeline.stages.segment import LABELS
from pnetkit.pipeline.store import write_json
from pnetkit.types import CLASSES, Segmentation

VOXELS = "voxels.json"
"""The number of voxels of each class in the result of `postprocess`."""


def postprocess(node: Node, context: Context, folder: Path) -> dict[str, Any]:
    """Write the label map that the chain leaves."""
    ((stage, key),) = node.inputs.items()  # "segment", or "adopt" for what was made elsewhere
    source = context.store.folder(stage, key) / LABELS
    labels, grid = read_labels(source)
    before = Segmentation(labels, grid)
    segmentation = cleaned(before, node.identity["chain"])
    write_labels(folder / LABELS, segmentation.labels, like=source)
    counts = np.bincount(segmentation.labels.reshape(-1), minlength=len(CLASSES))
    write_json(folder / VOXELS, {name: int(count) for name, count in zip(CLASSES, counts, strict=True)})
    return {"removed_voxels": int((before.labels != segmentation.labels).sum())}


def cleaned(segmentation: Segmentation, chain: Sequence[Mapping[str, Any]]) -> Segmentation:
    """Apply a chain of postprocessors, named by their identities. Raises PluginError for what is not a segmentation."""
    shape = segmentation.labels.shape
    for identity in chain:
        found: Any = build(identity)(segmentation)
        if not isinstance(found, Segmentation) or found.labels.shape != shape:
            raise PluginError(
                f"The postprocessor {identity['plugin']!r} (from {identity['distribution']}) has to give a "
                f"Segmentation of shape {shape}, it gave {type(found).__name__}."
            )
        segmentation = found
    return segmentation
