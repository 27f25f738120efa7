"""Segment one scan with the network of its fold."""

from pathlib import Path
from typing import Any

import numpy as np

from pnetkit.imaging.nifti import write_labels
from pnetkit.inference.segment import segment as segment_volume
from pnetkit.pipeline.context import Context
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.stages.inputs import network_input, trained_backbone
from pnetkit.types import BACKGROUND

LABELS = "labels.nii.gz"
"""The label map in the results of `segment` and `postprocess`, on the image's own grid."""

AGREEMENT = "agreement.nii.gz"
"""The share of windows that voted for the winning label, in whole percent."""


def segment(node: Node, context: Context, folder: Path) -> dict[str, Any]:
    """Write the voted labels, and the agreement map when the recipe keeps it."""
    volume, grid, air = network_input(node)
    inference = node.identity["inference"]
    result = segment_volume(
        trained_backbone(node, context),
        volume,
        grid,
        window=tuple(inference["window_size"]),
        stride=tuple(inference["stride"]),
        batch_size=node.given["batch_size"],
        fill=air,
        device=context.device,
        precision=inference["precision"],
        combine=inference.get("combine", "vote"),
    )
    image = node.files["image"][0]
    write_labels(folder / LABELS, result.labels, like=image)
    if result.votes is None or result.voters is None:  # probabilities were averaged
        return {"mean_foreground_agreement": None}
    agreement = result.votes.astype(np.float32) / result.voters
    if inference["keep_votes"]:
        write_labels(folder / AGREEMENT, np.round(agreement * 100).astype(np.uint8), like=image)
    foreground = result.labels > BACKGROUND
    return {"mean_foreground_agreement": float(agreement[foreground].mean()) if foreground.any() else None}
