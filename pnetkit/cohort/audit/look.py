"""What an audit sees of one scan and its labels, opened once: plain values, whatever is wrong with them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from pnetkit.cohort.audit.copies import Fingerprint, fingerprint
from pnetkit.cohort.check import LabelPolicy
from pnetkit.errors import ImageError
from pnetkit.imaging.landmarks import Landmarks, find_landmarks
from pnetkit.imaging.nifti import read_grid, read_labels, read_scan
from pnetkit.types import DUCT, PANCREAS, TUMOR, Grid, ScanFiles


@dataclass(frozen=True, slots=True)
class Piece:
    """Hold a tumor of a label: its size, and how far its nearest voxel lies from one of the pancreas or duct.

    The distance is None where neither is drawn.
    """

    voxels: int
    volume_mm3: float
    distance_mm: float | None


@dataclass(frozen=True, slots=True)
class Drawn:
    """Hold what a label shows: voxels of each class, its tumors, and how far it lies off the image.

    `off_voxels` is the way along each axis of the image, None where the shapes differ or it is not the same everywhere.
    `is_off` tells whether it lies elsewhere at all.
    """

    voxels: tuple[int, int, int]
    tumors: tuple[Piece, ...]
    off_voxels: tuple[float, float, float] | None
    is_off: bool


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Hold what an audit saw of a scan; `faults` say what could not be read."""

    landmarks: Landmarks | None
    places: Fingerprint
    drawn: Drawn | None
    faults: tuple[str, ...]


LEAST_OFF_VOXELS = 0.1
"""What tools round is less."""


def look_at(files: ScanFiles, labels: LabelPolicy) -> Seen:
    """Open a scan and its label; each of them as far as it can be read."""
    faults: list[str] = []
    landmarks, places, grid = None, np.empty(0, dtype=np.uint64), None
    try:
        scan = read_scan(files.image)
        landmarks, places, grid = find_landmarks(scan), fingerprint(scan.hu), scan.grid
        del scan
    except ImageError as error:
        faults.append(str(error))
    drawn = None
    if files.label is not None:
        try:
            drawn = _drawn(files, labels, grid)
        except ImageError as error:
            faults.append(str(error))
    return Seen(landmarks, places, drawn, tuple(faults))


def _drawn(files: ScanFiles, policy: LabelPolicy, grid: Grid | None) -> Drawn:
    if files.label is None:
        raise ValueError("nothing is drawn without a label")
    labels, own = read_labels(files.label, policy.mapping, unmapped=policy.unmapped)
    counts = np.bincount(labels.reshape(-1), minlength=DUCT + 1)
    off, is_off = _off(read_grid(files.image) if grid is None else grid, own)
    voxels = int(counts[PANCREAS]), int(counts[TUMOR]), int(counts[DUCT])
    return Drawn(voxels, tumors_of(labels, own), off, is_off)


def tumors_of(labels: NDArray[np.uint8], grid: Grid) -> tuple[Piece, ...]:
    """Give the tumors of a label (26 neighbors), and how far each lies from pancreas and duct, in mm."""
    pieces, count = ndimage.label(labels == TUMOR, np.ones((3, 3, 3), dtype=bool))
    if count == 0:
        return ()
    organ = np.argwhere((labels == PANCREAS) | (labels == DUCT))
    near = cKDTree(_mm(organ, grid)) if len(organ) else None
    found = []
    for number, place in enumerate(ndimage.find_objects(pieces), start=1):
        voxels = np.argwhere(pieces[place] == number) + [axis.start for axis in place]
        distance = None if near is None else float(np.min(near.query(_mm(voxels, grid))[0]))
        found.append(Piece(len(voxels), len(voxels) * grid.voxel_mm3, distance))
    return tuple(found)


def _mm(voxels: NDArray[np.int64], grid: Grid) -> NDArray[np.float64]:
    return np.asarray(voxels @ grid.affine[:3, :3].T + grid.affine[:3, 3])


def _off(image: Grid, label: Grid) -> tuple[tuple[float, float, float] | None, bool]:
    """Give how many voxels of the image a label lies off it along each axis, and whether it does."""
    if image.shape != label.shape:
        return None, True
    ends = np.array(np.meshgrid(*[(0, n - 1) for n in image.shape], indexing="ij")).reshape(3, -1)
    corners = np.vstack([ends, np.ones((1, ends.shape[1]))])
    ways = np.linalg.solve(image.affine[:3, :3], (label.affine - image.affine)[:3] @ corners)
    if np.abs(ways).max() <= LEAST_OFF_VOXELS:
        return (0.0, 0.0, 0.0), False
    x, y, z = (float(way) for way in ways.mean(axis=1))
    return ((x, y, z) if float(np.ptp(ways, axis=1).max()) <= LEAST_OFF_VOXELS else None), True


def is_half(off: Sequence[float]) -> bool:
    """Tell whether every way is none or half a voxel: a tool took corners for centers."""
    return all(abs(abs(way) - 0.5) < LEAST_OFF_VOXELS or abs(way) < LEAST_OFF_VOXELS for way in off)
