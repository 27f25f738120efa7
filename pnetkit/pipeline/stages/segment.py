"""Segment one scan with the network of its fold."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pnetkit.imaging.body import body_mask
from pnetkit.imaging.nifti import write_labels
from pnetkit.inference.coarse import Coarse
from pnetkit.inference.runtime import largest_batch, runnable
from pnetkit.inference.search import Settings
from pnetkit.inference.segment import segment as segment_volume
from pnetkit.inference.sliding import Fill
from pnetkit.interfaces import Backbone
from pnetkit.networks import Network
from pnetkit.pipeline.context import Context
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.stages.inputs import load_backbone, network_input
from pnetkit.types import BACKGROUND

LABELS = "labels.nii.gz"
"""The label map in the results of `segment` and `postprocess`, on the image's own grid."""

REGION = "region.nii.gz"
"""Where a coarse-to-fine search looked closely, 1 or 0, on the image's own grid; not there where it was given up."""

AGREEMENT = "agreement.nii.gz"
"""The share of windows that voted for the winning label, in whole percent; 0 outside the body, where none was asked."""


def segment(node: Node, context: Context, folder: Path) -> dict[str, Any]:
    """Write the voted labels, the region of a coarse-to-fine search, and the agreement map when the recipe keeps it."""
    seen = network_input(node)
    inference = node.identity["inference"]
    batch_size = largest_batch(inference.get("runtime", "torch"), node.given["batch_size"])
    trained = context.store.folder("train", node.inputs["train"])
    found = segment_volume(
        _network(trained, context.device, json.dumps(inference)),
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
    if found.region is not None:
        write_labels(folder / REGION, found.region.view(np.uint8), like=image)
    if result.votes is None or result.voters is None:  # probabilities were averaged
        return took | {"mean_foreground_agreement": None}
    if inference["keep_votes"]:
        agreement = result.votes.astype(np.float32) / np.maximum(result.voters, 1)
        write_labels(folder / AGREEMENT, np.round(agreement * 100).astype(np.uint8), like=image)
    foreground = result.labels > BACKGROUND
    agreed = result.votes[foreground] / result.voters[foreground]
    return took | {"mean_foreground_agreement": float(agreed.mean()) if agreed.size else None}


@lru_cache(maxsize=1)
def _network(folder: Path, device: str, inference: str) -> Network:
    """Make the network that is run; a worker keeps the last one. `inference` is JSON, because it is a key here."""
    return network_as_run(load_backbone(folder), json.loads(inference), device)


def network_as_run(backbone: Backbone, inference: Mapping[str, Any], device: str) -> Network:
    """Make the network that is run of a trained one and a recipe's `inference` section, as it stands in keys."""
    return runnable(
        backbone,
        device=device,
        precision=inference["precision"],
        runtime=inference.get("runtime", "torch"),
        window=tuple(inference["window_size"]),
    )


def inference_settings(inference: Mapping[str, Any], *, batch_size: int, fill: Fill, device: str) -> Settings:
    """Make the settings of a segmentation of a recipe's `inference` section, as it stands in keys."""
    return Settings(
        window=tuple(inference["window_size"]),
        stride=tuple(inference["stride"]),
        batch_size=batch_size,
        fill=fill,
        device=device,
        precision=inference["precision"],
        combine=inference.get("combine", "vote"),
        body_box=inference["body"] == "box",
        coarse=_coarse(inference["coarse"]) if "coarse" in inference else None,
    )


def _coarse(section: dict[str, Any]) -> Coarse:
    edges: dict[str, Any] = {name: tuple(section[name]) for name in ("stride", "region_stride") if name in section}
    return Coarse(**section | edges)
