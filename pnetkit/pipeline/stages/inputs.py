"""Read what stages have in common: scans as network input, reference labels, trained networks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from pnetkit.errors import StoreError
from pnetkit.imaging.intensity import Intensity, fit_intensity
from pnetkit.imaging.nifti import read_labels, read_scan
from pnetkit.imaging.resampling import resample
from pnetkit.interfaces import Backbone
from pnetkit.networks import build_seeded, load_state
from pnetkit.pipeline.context import Context
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.plugins import build
from pnetkit.types import CLASSES, Grid, Scan

WEIGHTS = "weights.safetensors"
"""The file of a trained network's tensors in the result of `train`."""

BACKBONE = "backbone.json"
"""The file beside it that says which network they belong to."""


def new_backbone(identity: dict[str, Any], *, in_channels: int, seed: int) -> Backbone:
    """Build an untrained backbone under a seed."""
    return build_seeded(lambda: build(identity, in_channels=in_channels, num_classes=len(CLASSES)), seed)


def trained_backbone(node: Node, context: Context) -> Backbone:
    """Load the network that a node builds on; a worker keeps the last one it loaded."""
    return load_backbone(context.store.folder("train", node.inputs["train"]))


def input_scans(node: Node) -> list[Scan]:
    """Read a node's images, one for each channel of the network, on the grid of the first."""
    images = [node.files[name][0] for name in (image_name(i) for i in range(len(node.files))) if name in node.files]
    first = read_scan(images[0])
    return [first, *(resample(read_scan(path), first.grid) for path in images[1:])]


@dataclass(frozen=True, slots=True, eq=False)
class NetworkInput:
    """Hold what a network sees: `volume` (channel, x, y, z) on `grid`, air in each channel; `hu` of the first."""

    volume: NDArray[np.float32]
    grid: Grid
    air: tuple[float, ...]
    hu: NDArray[np.float32]


def network_input(node: Node) -> NetworkInput:
    """Read a node's images as the network sees them."""
    return as_network_input(input_scans(node), node.identity["intensity"])


def as_network_input(scans: Sequence[Scan], intensity_settings: Mapping[str, Any]) -> NetworkInput:
    """Make a network's input of scans on one grid, one for each channel."""
    intensities = [fitted_intensity(intensity_settings, scan.hu) for scan in scans]
    volume = np.empty((len(scans), *scans[0].hu.shape), dtype=np.float32)
    for channel, scan, intensity in zip(volume, scans, intensities, strict=True):
        channel[...] = intensity.apply(scan.hu)
    air = tuple(intensity.air for intensity in intensities)
    return NetworkInput(volume, scans[0].grid, air, scans[0].hu)


def image_name(channel: int) -> str:
    """Give the name under which a node holds the image of a channel."""
    return f"image_{channel}" if channel else "image"


def fitted_intensity(wanted: Mapping[str, Any], hu: NDArray[np.float32]) -> Intensity:
    """Fit the intensity transform that a recipe's `intensity` section asks for."""
    low, high = wanted["window_hu"]
    return fit_intensity(hu, window_hu=(low, high), normalization=wanted["normalization"])


def reference_labels(node: Node) -> NDArray[np.uint8]:
    """Read a node's label file under its label policy."""
    policy = node.identity["labels"]
    mapping = policy["mapping"]
    translated = None if mapping is None else {int(key): int(value) for key, value in mapping.items()}
    return read_labels(node.files["label"][0], translated, unmapped=policy["unmapped"])[0]


@lru_cache(maxsize=1)
def load_backbone(folder: Path) -> Backbone:
    """Load the network that a training left in a folder; a worker keeps the last one it loaded."""
    described = json.loads((folder / BACKBONE).read_text(encoding="utf-8"))
    try:
        return load_weights(folder / WEIGHTS, described["backbone"], in_channels=described["in_channels"])
    except StoreError as error:
        raise StoreError(f"{error} Delete {folder} to train again.") from error


def load_weights(path: Path, identity: dict[str, Any], *, in_channels: int) -> Backbone:
    """Build a backbone and give it the tensors of a file. Raises StoreError where they do not fit it."""
    backbone = new_backbone(identity, in_channels=in_channels, seed=0)
    try:
        load_state(backbone, load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise StoreError(f"{path}: cannot be loaded into {identity['plugin']} ({error}).") from error
    return backbone
