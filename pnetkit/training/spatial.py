"""Turn, scale and mirror a patch by any amount, in millimeters.

The scan is read where the turned patch will look, so its corners hold what lies there and not padding; nothing is read
twice or read in vain where nothing is turned. A turn is one of the patient, not of the array: in millimeters, whatever
the voxels' edges. Where these differ by more than `MOST_UNEVEN` times, slices are too coarse to be looked at from
aside, and patches are turned within them alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import affine_grid, grid_sample

from pnetkit.imaging.boxes import Box
from pnetkit.training.augmentation import Rotations

P_TURNED, MOST_DEGREES = 0.2, 30.0
"""Share of patches that are turned, and how far about each axis, either way."""

P_SCALED, STEP = 0.2, (0.7, 1.4)
"""Share of patches that are scaled, and how far apart their voxels are read, in voxels."""

MOST_UNEVEN = 3.0
"""Ratio of a voxel's longest to its shortest edge up to which patches are turned out of their slices."""

MOST_READ = 24
"""More patches than the largest box holds that is read for one."""

_AXES: dict[Rotations, tuple[int, ...]] = {"all-planes": (0, 1, 2), "axial": (2,), "none": ()}


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """Say how a patch is moved: `matrix` (3, 3) leads from its voxels to the scan's, both from the patch's center.

    None where it is read as it lies. `mirrored` are axes.
    """

    matrix: NDArray[np.float64] | None
    mirrored: tuple[int, ...]


def draw_move(rng: np.random.Generator, spacing_mm: Sequence[float], *, rotations: Rotations, flips: bool) -> Move:
    """Draw whether and how a patch of voxels of these edges is turned, scaled and mirrored."""
    turned, scaled = rng.random() < P_TURNED, rng.random() < P_SCALED
    angles = np.radians(rng.uniform(-MOST_DEGREES, MOST_DEGREES, size=3))
    step = rng.uniform(*STEP) if scaled else 1.0
    mirrored = tuple(axis for axis in range(3) if flips and rng.integers(2))
    axes = axes_to_turn(spacing_mm, rotations) if turned else ()
    if not axes and not scaled:
        return Move(None, mirrored)
    edges = np.asarray(spacing_mm, dtype=np.float64)
    turn = rotation([angle if axis in axes else 0.0 for axis, angle in enumerate(angles)])
    return Move(step * turn * edges[None, :] / edges[:, None], mirrored)


def axes_to_turn(spacing_mm: Sequence[float], rotations: Rotations) -> tuple[int, ...]:
    """Give the axes about which patches may be turned: of coarse slices, the one across them alone."""
    axes = _AXES[rotations]
    if max(spacing_mm) > MOST_UNEVEN * min(spacing_mm):
        return tuple(axis for axis in axes if spacing_mm[axis] == max(spacing_mm))
    return axes


def rotation(angles: Sequence[float]) -> NDArray[np.float64]:
    """Give the matrix (3, 3) that turns about x, then y, then z, in radians."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = math.cos(angle)
        turn[i, j], turn[j, i] = -math.sin(angle), math.sin(angle)
        matrix = turn @ matrix
    return matrix


def box_to_read(box: Box, move: Move) -> Box:
    """Give the box that holds all voxels between which a patch that lies in `box` is interpolated."""
    if move.matrix is None:
        return box
    reach = np.abs(move.matrix) @ (np.array(box.shape) - 1) / 2
    middle = _middle(box)
    first = np.floor(middle - reach).astype(int) - 1  # one voxel more: single precision is not exact at the edge
    last = np.ceil(middle + reach).astype(int) + 1
    x, y, z = (int(n) for n in first)
    u, v, w = (int(n) + 1 for n in last)
    return Box((x, y, z), (u, v, w))


def moved(
    image: NDArray[np.float32], labels: NDArray[np.uint8], box: Box, read: Box, move: Move
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Give the patch of `box`, moved: of an image (channel, x, y, z) and its labels (x, y, z) that were read in `read`.

    Images are interpolated linearly. Labels are those of the nearest voxel, so that a duct of one voxel's width is not
    outvoted by what surrounds it.
    """
    if move.matrix is not None:
        grid = _grid(box, read, move.matrix)
        of_image = torch.from_numpy(np.ascontiguousarray(image))[None]
        of_labels = torch.from_numpy(labels.astype(np.float32))[None, None]
        how: dict[str, Any] = {"padding_mode": "border", "align_corners": True}
        image = grid_sample(of_image, grid, mode="bilinear", **how)[0].numpy()
        labels = grid_sample(of_labels, grid, mode="nearest", **how)[0, 0].numpy().astype(np.uint8)
    if move.mirrored:
        image = np.flip(image, axis=tuple(axis + 1 for axis in move.mirrored))
        labels = np.flip(labels, axis=move.mirrored)
    return image, labels


def _grid(box: Box, read: Box, matrix: NDArray[np.float64]) -> torch.Tensor:
    """Give where each voxel of the patch is read, as torch wants it: -1 to 1 along the box, the last axis first."""
    half = (np.array(box.shape) - 1) / 2
    of_read = (np.array(read.shape) - 1) / 2
    along = matrix * half[None, :] / of_read[:, None]
    offset = (_middle(box) - _middle(read)) / of_read
    theta = np.concatenate([along[::-1, ::-1], offset[::-1, None]], axis=1)
    x, y, z = box.shape
    return affine_grid(torch.from_numpy(theta).float()[None], [1, 1, x, y, z], align_corners=True)


def _middle(box: Box) -> NDArray[np.float64]:
    middle: NDArray[np.float64] = (np.array(box.start) + np.array(box.stop) - 1) / 2
    return middle
