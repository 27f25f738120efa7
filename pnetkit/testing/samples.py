"""Segmentations that rules have to cope with."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.types import DUCT, PANCREAS, TUMOR, Grid, Scan, Segmentation

SPACING_MM = (0.8, 0.8, 2.0)
"""Voxels of the samples."""

AXES = ((0.96, -0.28, 0.0), (0.28, 0.96, 0.0), (0.0, 0.0, 1.0))
"""Directions of the samples' axes, in columns: turned about z, by a sine and cosine that keep lengths exact."""

ORIGIN_MM = (-112.5, -87.25, 340.0)
"""Center of the samples' first voxel."""

WINDOWS = 27
"""Windows that saw each voxel, where votes are kept."""


def grid_of(shape: tuple[int, int, int], *, finer: int = 1) -> Grid:
    """Give an oblique grid of the samples' voxels, or of voxels so many times finer that fill the same space."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(AXES) * SPACING_MM / finer
    affine[:3, 3] = ORIGIN_MM + affine[:3, :3].sum(axis=1) * (1 - finer) / 2  # the first of them fill the first voxel
    return Grid(shape, affine)


def segmentation(labels: NDArray[np.uint8]) -> Segmentation:
    """Give labels on a grid of the samples' voxels."""
    return Segmentation(labels, grid_of((labels.shape[0], labels.shape[1], labels.shape[2])))


def voted(found: Segmentation, seed: int = 0) -> Segmentation:
    """Give the same labels with votes for them."""
    votes = np.random.default_rng(seed).integers(WINDOWS // 2, WINDOWS + 1, found.labels.shape, dtype=np.uint16)
    return replace(found, votes=votes, voters=np.full_like(votes, WINDOWS))


def an_abdomen(seed: int = 0) -> NDArray[np.uint8]:
    """Draw a pancreas with a tumor and a duct, some specks near and far, and nothing else."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((40, 36, 20), np.uint8)
    labels[6:24, 10:20, 6:14] = PANCREAS
    labels[8:14, 12:17, 8:12] = TUMOR
    labels[16:23, 13:16, 8:11] = DUCT
    labels[26:28, 12:14, 8:10] = TUMOR
    labels[36:39, 30:33, 16:19] = PANCREAS
    for _ in range(6):
        x, y, z = (int(rng.integers(0, n)) for n in labels.shape)
        labels[x, y, z] = int(rng.integers(1, 4))
    return labels


def samples() -> Mapping[str, Segmentation]:
    """Give segmentations by name: empty, full, one slice, one voxel, and a small abdomen with votes."""
    empty = np.zeros((8, 7, 6), np.uint8)
    voxel = empty.copy()
    voxel[3, 3, 3] = TUMOR
    return {
        "empty": segmentation(empty),
        "full of pancreas": segmentation(np.full((8, 7, 6), PANCREAS, np.uint8)),
        "full of tumor": segmentation(np.full((8, 7, 6), TUMOR, np.uint8)),
        "one slice thick": segmentation(an_abdomen()[:, :, 9:10].copy()),
        "one voxel thick every way": segmentation(np.full((1, 1, 1), DUCT, np.uint8)),
        "one voxel": segmentation(voxel),
        "an abdomen": voted(segmentation(an_abdomen())),
    }


def finer(found: Segmentation, times: int = 2) -> Segmentation:
    """Give the same tissue in voxels so many times finer along every axis."""
    labels, votes, voters = (_repeated(of, times) for of in (found.labels, found.votes, found.voters))
    grid = grid_of((labels.shape[0], labels.shape[1], labels.shape[2]), finer=times)
    return Segmentation(labels, grid, found.classes, votes, voters)


def image_of(found: Segmentation) -> Scan:
    """Give a scan that shows the same tissue: each voxel has a value of its label, in HU, and air lies around it."""
    hu = np.array([-1000.0, 90.0, 180.0, 10.0], np.float32)[found.labels]
    return Scan(hu, found.grid)


def map_grid(found: Segmentation, shape: tuple[int, int, int]) -> Grid:
    """Give a grid of a map whose cells fill the space of a segmentation."""
    ratios = [n / m for n, m in zip(found.labels.shape, shape, strict=True)]
    to_voxels = np.diag([*ratios, 1.0])
    to_voxels[:3, 3] = [(ratio - 1) / 2 for ratio in ratios]
    return Grid(shape, found.grid.affine @ to_voxels)


def arrays_of(found: Segmentation) -> dict[str, NDArray[Any]]:
    """Give a segmentation's arrays by name: labels, and votes and voters where it has them."""
    arrays = {"labels": found.labels, "votes": found.votes, "voters": found.voters}
    return {name: array for name, array in arrays.items() if array is not None}


def changed(arrays: Mapping[str, NDArray[Any]], kept: Mapping[str, NDArray[Any]]) -> list[str]:
    """Name the arrays that are not what they were."""
    return [name for name, array in kept.items() if name not in arrays or not np.array_equal(arrays[name], array)]


def _repeated(array: Any, times: int) -> Any:
    if array is None:
        return None
    for axis in range(3):
        array = array.repeat(times, axis=axis)
    return np.ascontiguousarray(array)
