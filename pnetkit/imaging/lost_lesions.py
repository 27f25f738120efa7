"""Find the lesions of a label map of which no voxel is left once it was resampled."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pnetkit.imaging.boxes import bounding_box
from pnetkit.types import CLASSES, DUCT, TUMOR, Grid

Lost = dict[str, list[int]]
"""By class: how many lesions there are, and how many of them were lost."""


def lost_lesions(labels: NDArray[np.uint8], grid: Grid, resampled: NDArray[np.uint8], target: Grid) -> Lost:
    """Count the pieces (26 neighbors) of tumor and duct, and those that a resampled label map has no voxel of.

    A piece is there where a voxel of its class has its center within a voxel of the piece's box.
    """
    to = np.linalg.inv(target.affine) @ grid.affine
    found: Lost = {}
    for label in (TUMOR, DUCT):
        mask, lost = labels == label, 0
        box = bounding_box(mask)
        if box is None:
            found[CLASSES[label]] = [0, 0]
            continue
        pieces, count = ndimage.label(mask[box.slices], np.ones((3, 3, 3), dtype=bool))
        left = resampled == label
        for piece in ndimage.find_objects(pieces):
            edges = np.array([[of.start - 0.5, of.stop - 0.5] for of in piece]) + np.array(box.start)[:, None]
            low, high = np.sort(to[:3, :3].diagonal()[:, None] * edges + to[:3, 3:], axis=1).T
            near = tuple(
                slice(max(int(np.floor(a)), 0), max(int(np.ceil(b)) + 1, 0)) for a, b in zip(low, high, strict=True)
            )
            lost += not left[near].any()
        found[CLASSES[label]] = [count, lost]
    return found
