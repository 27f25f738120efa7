"""Segment one scan with the network of its fold."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pnetkit.cohort.check import CheckedCase
from pnetkit.imaging.body import body_mask
from pnetkit.imaging.nifti import read_grid, read_labels, write_labels
from pnetkit.imaging.spacing import labels_on, largest_shares, resampled, shape_at
from pnetkit.inference.runtime import largest_batch
from pnetkit.inference.segment import Segmented, segment
from pnetkit.inference.shares import shares_of
from pnetkit.method.inference import inference_settings, network_as_run
from pnetkit.networks import Network
from pnetkit.pipeline.stages import train
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.draft import Draft
from pnetkit.pipeline.stages.needs import HALF_GPU
from pnetkit.pipeline.stages.scans import Reading, read_input, reading_of
from pnetkit.pipeline.stages.segmentation import LABELS, write_network_labels
from pnetkit.pipeline.stages.stage import Stage
from pnetkit.store.node import File, Node, Ref, Subject
from pnetkit.store.store import Store
from pnetkit.types import BACKGROUND, Grid, Triple

REGION = "region.nii.gz"
"""Where a coarse-to-fine search looked closely, 1 or 0, on the image's own grid; not there where it was given up."""

AGREEMENT = "agreement.nii.gz"
"""The share of windows that voted for the winning label, in whole percent; 0 outside the body, where none was asked."""


@dataclass(frozen=True, slots=True)
class SegmentSpec:
    """In the key: how scans are read and searched, and the network. Not: windows at once, the scan's shape.

    `shape` is that which the network sees, `own_shape` the scan's; None where that is the same.
    """

    stage: ClassVar[str] = "segment"
    version: ClassVar[int] = 3

    reading: Reading
    inference: Mapping[str, Any]
    network: Ref
    batch_size: int
    shape: Triple
    own_shape: Triple | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """Give how scans are read and searched."""
        return self.reading.identity | {"inference": dict(self.inference)}

    @property
    def inputs(self) -> dict[str, Ref]:
        """Give the fold's network."""
        return {"train": self.network}

    @property
    def files(self) -> dict[str, File]:
        """Give the images."""
        return self.reading.files

    @property
    def is_coarse(self) -> bool:
        """Tell whether the search is coarse-to-fine."""
        return "coarse" in self.inference


def draft(draft: Draft, item: CheckedCase, network: Node, subject: Subject) -> Node:
    """Lay out the segmentation of a case by one network, at the spacing that it was trained at."""
    spacing_mm = train.spacing_of(network)
    spec = SegmentSpec(
        reading=reading_of(draft, item, spacing_mm),
        inference=draft.parts.inference,
        network=network.ref,
        batch_size=draft.recipe.inference.windows_at_once,
        shape=shape_at(item.scans[draft.seen.phases[0]].grid, spacing_mm),
        own_shape=item.scans[draft.seen.phases[0]].grid.shape,
    )
    return draft.add(spec, subject)


def run(spec: SegmentSpec, context: Context, folder: Path) -> dict[str, Any]:
    """Write the voted labels, the region of a coarse-to-fine search, and the agreement map when the recipe keeps it.

    Where scans are resampled for the network, all of these are brought back to the scan's own grid: the labels by the
    shares of the votes, so that a border may lie between two of the network's voxels. The network's own are kept too.
    """
    seen = read_input(spec.reading)
    inference = spec.inference
    batch_size = largest_batch(inference.get("runtime", "torch"), spec.batch_size)
    found = segment(
        _network(context.store.root, spec.network, context.device, json.dumps(dict(inference))),
        seen.volume,
        seen.grid,
        inference_settings(
            inference,
            batch_size=batch_size,
            fill=seen.air,
            device=context.device,
            keep_shares=spec.reading.spacing_mm is not None,
        ),
        body=None if inference["body"] == "none" else body_mask(seen.hu),
    )
    del seen
    result = found.segmentation
    took: dict[str, Any] = {"windows": found.windows, "coarse_windows": found.coarse_windows}
    if found.fallback:
        took["fallback"] = found.fallback
    image = spec.reading.images[0].path
    if spec.reading.spacing_mm is not None:
        took["spacing_mm"] = list(spec.reading.spacing_mm)
        write_network_labels(folder, result.labels, result.grid)
    own = read_grid(image)
    write_labels(folder / LABELS, _labels_on(found, own), like=image)
    if found.region is not None:
        region = labels_on(found.region.view(np.uint8), result.grid, result.grid if own.matches(result.grid) else own)
        write_labels(folder / REGION, region, like=image)
    if result.votes is None or result.voters is None:  # probabilities were averaged
        return took | {"mean_foreground_agreement": None}
    if inference["keep_votes"]:
        agreement = result.votes.astype(np.float32) / np.maximum(result.voters, 1)
        if not own.matches(result.grid):
            agreement = resampled(agreement, result.grid, own)
        write_labels(folder / AGREEMENT, np.round(agreement * 100).astype(np.uint8), like=image)
    foreground = result.labels > BACKGROUND
    agreed = result.votes[foreground] / result.voters[foreground]
    return took | {"mean_foreground_agreement": float(agreed.mean()) if agreed.size else None}


def _labels_on(found: Segmented, own: Grid) -> NDArray[np.uint8]:
    """Give labels on the scan's own grid: those of the search, or where it ran on another, of the shares of votes."""
    result = found.segmentation
    return result.labels if own.matches(result.grid) else largest_shares([shares_of(found)], own)


def read_region(store: Store, ref: Ref) -> NDArray[np.uint8] | None:
    """Read where a coarse-to-fine search looked closely; None where everything was searched."""
    path = store.of(ref) / REGION
    return read_labels(path)[0] if path.is_file() else None


@lru_cache(maxsize=1)
def _network(root: Path, network: Ref, device: str, inference: str) -> Network:
    """Make the network that is run; a worker keeps the last one. `inference` is JSON, because it is a key here."""
    return network_as_run(train.read(Store(root), network), json.loads(inference), device)


STAGE = Stage(SegmentSpec.stage, run, needs=HALF_GPU)
