"""Look coarsely first: find where the pancreas may be, and run the windows of the full grid only there.

The windows of the second pass are those of the full grid that touch the region, so inside it every voxel gets the votes
that the exhaustive pass would have given it: what can be lost is what the coarse pass did not see at all.

With an inset, windows that see the region only near their own edge are left out too: a voxel then has fewer votes, and
those that it loses come from where a network knows least, beside the zero padding.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pnetkit.imaging.boxes import bounding_box, clamp, grow
from pnetkit.types import BACKGROUND, Triple

EMPTY = "the coarse pass found nothing, so the whole body was searched"
"""Why a scan was searched as a whole."""

SPREAD = "the coarse pass found too much, so the whole body was searched"
"""Why a scan was searched as a whole: the region would not have saved enough."""


@dataclass(frozen=True, slots=True)
class Coarse:
    """Say how the first pass looks, and when its region is not used.

    `stride` of its windows; components larger than `candidate_fraction` of the largest make the region, grown by
    `margin_voxels`; windows of the second pass that see it only within `inset_voxels` of their edge are not run; a
    region that needs more than `largest_share` of all windows is given up.
    """

    stride: Triple
    margin_voxels: int
    candidate_fraction: float
    largest_share: float
    inset_voxels: int = 0


def candidate_region(labels: NDArray[np.uint8], coarse: Coarse) -> NDArray[np.bool_] | None:
    """Give the voxels in or near a candidate of the coarse labels (x, y, z); None when there is no candidate.

    Near is within `margin_voxels` along every axis.
    """
    foreground = labels > BACKGROUND
    found = bounding_box(foreground)
    if found is None:
        return None
    shape: Triple = (labels.shape[0], labels.shape[1], labels.shape[2])
    box = clamp(grow(found, coarse.margin_voxels), shape)  # all else lies in here, and most of a scan does not
    inside = tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))
    components, _ = ndimage.label(foreground[inside], np.ones((3, 3, 3), dtype=bool))
    sizes = np.bincount(components.reshape(-1))
    sizes[0] = 0
    candidates = (sizes > coarse.candidate_fraction * sizes.max())[components].astype(np.uint8)
    region = np.zeros(shape, dtype=bool)
    region[inside] = ndimage.maximum_filter(candidates, size=2 * coarse.margin_voxels + 1, mode="constant") > 0
    return region
