"""Clean a segmentation up with the recipe's chain of postprocessors."""

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
    source = context.store.folder("segment", node.inputs["segment"]) / LABELS
    labels, grid = read_labels(source)
    before = Segmentation(labels, grid)
    segmentation = before
    for identity in node.identity["chain"]:
        segmentation = build(identity)(segmentation)
        if not isinstance(segmentation, Segmentation) or segmentation.labels.shape != labels.shape:
            raise PluginError(
                f"The postprocessor {identity['plugin']!r} (from {identity['distribution']}) has to give a "
                f"Segmentation of shape {labels.shape}, it gave {type(segmentation).__name__}."
            )
    write_labels(folder / LABELS, segmentation.labels, like=source)
    counts = np.bincount(segmentation.labels.reshape(-1), minlength=len(CLASSES))
    write_json(folder / VOXELS, {name: int(count) for name, count in zip(CLASSES, counts, strict=True)})
    return {"removed_voxels": int((before.labels != segmentation.labels).sum())}
