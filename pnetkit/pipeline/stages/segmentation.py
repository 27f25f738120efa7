"""The label map in the results of `segment`, `adopt` and `postprocess`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pnetkit.files import read_json, write_json
from pnetkit.imaging.nifti import read_labels, write_labels
from pnetkit.imaging.spacing import labels_on
from pnetkit.method.parts import RulesOn
from pnetkit.store.node import Ref
from pnetkit.store.store import Store
from pnetkit.types import Grid, Segmentation

LABELS = "labels.nii.gz"
"""The file, on the image's own grid."""

NETWORK_LABELS = "network_labels.nii.gz"
"""The same on the grid that the network saw, where scans are resampled for it; of `postprocess` if rules ran there."""


NETWORK_GRID = "network_grid.json"
"""That grid: a NIfTI file holds no more than single precision, and volumes would be others in their last digits."""


def write_network_labels(folder: Path, labels: NDArray[np.uint8], grid: Grid) -> None:
    """Write labels on a network's grid."""
    write_labels(folder / NETWORK_LABELS, labels, like=grid)
    write_json(folder / NETWORK_GRID, {"shape": list(grid.shape), "affine": grid.affine.tolist()})


def read_segmentation(store: Store, ref: Ref, on: RulesOn = "scan") -> Segmentation:
    """Read the label map of a result, on the scan's own grid or on the network's."""
    folder = store.of(ref)
    if on == "scan":
        return Segmentation(*read_labels(folder / LABELS))
    described = read_json(folder / NETWORK_GRID)
    x, y, z = described["shape"]
    grid = Grid((x, y, z), np.array(described["affine"]))
    return Segmentation(read_labels(folder / NETWORK_LABELS)[0], grid)


def read_on(store: Store, ref: Ref, grid: Grid) -> Segmentation:
    """Read the label map of a result on a network's grid: as it was made there, or brought there."""
    there = store.of(ref) / NETWORK_LABELS
    found = read_segmentation(store, ref, "network" if there.is_file() else "scan")
    return found if found.grid.matches(grid) else Segmentation(labels_on(found.labels, found.grid, grid), grid)
