"""Look coarsely first: find where the pancreas may be, and run the windows of the full grid only there.

The windows of the second pass are those of the full grid that touch the region, so inside it every voxel gets the votes
that the exhaustive pass would have given it: what can be lost is what the coarse pass did not see at all.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pnetkit.imaging.boxes import Box, clamp, grow
from pnetkit.types import BACKGROUND, Triple

EMPTY = "the coarse pass found nothing, so the whole body was searched"
"""Why a scan was searched as a whole."""

SPREAD = "the coarse pass found too much, so the whole body was searched"
"""Why a scan was searched as a whole: the region would not have saved enough."""


@dataclass(frozen=True, slots=True)
class Coarse:
    """Say how the first pass looks, and when its region is not used.

    `stride` of its windows; components larger than `candidate_fraction` of the largest make the region, their boxes
    grown by `margin_voxels`; a region that needs more than `largest_share` of all windows is given up.
    """

    stride: Triple
    margin_voxels: int
    candidate_fraction: float
    largest_share: float


def candidate_region(labels: NDArray[np.uint8], coarse: Coarse) -> NDArray[np.bool_] | None:
    """Give the voxels in or near a candidate of the coarse labels (x, y, z); None when there is no candidate."""
    components, count = ndimage.label(labels > BACKGROUND, np.ones((3, 3, 3), dtype=bool))
    if count == 0:
        return None
    sizes = np.bincount(components.reshape(-1))
    sizes[0] = 0
    region = np.zeros(labels.shape, dtype=bool)
    shape: Triple = (labels.shape[0], labels.shape[1], labels.shape[2])
    for index, place in enumerate(ndimage.find_objects(components), start=1):
        if sizes[index] > coarse.candidate_fraction * sizes.max():
            x, y, z = place
            box = clamp(grow(Box((x.start, y.start, z.start), (x.stop, y.stop, z.stop)), coarse.margin_voxels), shape)
            region[tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))] = True
    return region
