"""Segment one scan with the network of its fold."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pnetkit.imaging.body import body_mask
from pnetkit.imaging.nifti import write_labels
from pnetkit.inference.acceleration import Compiled, accelerated
from pnetkit.inference.coarse import Coarse
from pnetkit.inference.segment import Settings
from pnetkit.inference.segment import segment as segment_volume
from pnetkit.inference.sliding import Fill
from pnetkit.networks import Network, Precision
from pnetkit.pipeline.context import Context
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.stages.inputs import load_backbone, network_input
from pnetkit.types import BACKGROUND

LABELS = "labels.nii.gz"
"""The label map in the results of `segment` and `postprocess`, on the image's own grid."""

AGREEMENT = "agreement.nii.gz"
"""The share of windows that voted for the winning label, in whole percent; 0 outside the body, where none was asked."""


def segment(node: Node, context: Context, folder: Path) -> dict[str, Any]:
    """Write the voted labels, and the agreement map when the recipe keeps it."""
    seen = network_input(node)
    inference = node.identity["inference"]
    compiled = inference.get("compile", False)
    batch_size = 1 if compiled else node.given["batch_size"]  # another size of batch would be compiled anew
    found = segment_volume(
        _network(context.store.folder("train", node.inputs["train"]), context.device, inference["precision"], compiled),
        seen.volume,
        seen.grid,
        inference_settings(inference, batch_size=batch_size, fill=seen.air, device=context.device),
        body=None if inference["body"] == "none" else body_mask(seen.hu),
    )
    result = found.segmentation
    took: dict[str, Any] = {"windows": found.windows, "coarse_windows": found.coarse_windows}
    if found.fallback:
        took["fallback"] = found.fallback
    image = node.files["image"][0]
    write_labels(folder / LABELS, result.labels, like=image)
    if result.votes is None or result.voters is None:  # probabilities were averaged
        return took | {"mean_foreground_agreement": None}
    if inference["keep_votes"]:
        agreement = result.votes.astype(np.float32) / np.maximum(result.voters, 1)
        write_labels(folder / AGREEMENT, np.round(agreement * 100).astype(np.uint8), like=image)
    foreground = result.labels > BACKGROUND
    agreed = result.votes[foreground] / result.voters[foreground]
    return took | {"mean_foreground_agreement": float(agreed.mean()) if agreed.size else None}


@lru_cache(maxsize=1)
def _network(folder: Path, device: str, precision: Precision, compiled: bool) -> Network:
    """Make the network that is run; a worker keeps the last one."""
    quick = accelerated(load_backbone(folder), device=device, precision=precision)
    return Compiled(quick) if compiled else quick


def inference_settings(inference: Mapping[str, Any], *, batch_size: int, fill: Fill, device: str) -> Settings:
    """Make the settings of a segmentation of a recipe's `inference` section, as it stands in keys."""
    coarse = inference.get("coarse")
    return Settings(
        window=tuple(inference["window_size"]),
        stride=tuple(inference["stride"]),
        batch_size=batch_size,
        fill=fill,
        device=device,
        precision=inference["precision"],
        combine=inference.get("combine", "vote"),
        body_box=inference["body"] == "box",
        coarse=None if coarse is None else Coarse(**coarse | {"stride": tuple(coarse["stride"])}),
    )
