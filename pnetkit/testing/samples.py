"""Segmentations that rules have to cope with."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pnetkit.types import DUCT, PANCREAS, TUMOR, Grid, Segmentation

SPACING_MM = (0.8, 0.8, 2.0)
"""Voxels of the samples."""


def grid_of(shape: tuple[int, int, int], *, finer: int = 1) -> Grid:
    """Give a grid of the samples' voxels, or of voxels so many times finer."""
    return Grid(shape, np.diag([*(edge / finer for edge in SPACING_MM), 1.0]))


def segmentation(labels: NDArray[np.uint8]) -> Segmentation:
    """Give labels on a grid of the samples' voxels."""
    return Segmentation(labels, grid_of((labels.shape[0], labels.shape[1], labels.shape[2])))


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
    """Give segmentations by name: empty, full, one slice, one voxel, and a small abdomen."""
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
        "an abdomen": segmentation(an_abdomen()),
    }


def finer(found: Segmentation, times: int = 2) -> Segmentation:
    """Give the same tissue in voxels so many times finer along every axis."""
    labels = found.labels
    for axis in range(3):
        labels = labels.repeat(times, axis=axis)
    return Segmentation(
        np.ascontiguousarray(labels), grid_of((labels.shape[0], labels.shape[1], labels.shape[2]), finer=times)
    )
