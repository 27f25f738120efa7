"""Look coarsely first: find where the pancreas may be, and run the windows of the full grid only there.

The windows of the second pass are those of the full grid that touch the region, so inside it every voxel gets the votes
that the exhaustive pass would have given it: what can be lost is what the coarse pass did not see at all.

With an inset, windows that see the region only near their own edge are left out too: a voxel then has fewer votes, and
those that it loses come from where a network knows least, beside the zero padding.

With a stride of its own for the region, the full grid's windows are run only near the tumor and duct that the region's
pass finds: a pancreas is large, and its border is not what a case is decided by.

On a chessboard half of the first pass is left undone far from the pancreas. An organ that is larger than a window
cannot lie on one color alone, as windows of one color do not touch with a face.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pnetkit.imaging.boxes import bounding_box, clamp, grow
from pnetkit.types import BACKGROUND, DUCT, TUMOR, Triple

EMPTY = "the coarse pass found nothing, so the whole body was searched"
"""Why a scan was searched as a whole."""

SPREAD = "the coarse pass found too much, so the whole body was searched"
"""Why a scan was searched as a whole: the region would not have saved enough."""


@dataclass(frozen=True, slots=True)
class Coarse:
    """Say how the first pass looks, and when its region is not used.

    `stride` of its windows; components larger than `candidate_fraction` of the largest make the region, grown by
    `margin_voxels`; windows of the second pass that see it only within `inset_voxels` of their edge are not run; a
    region that needs more than `largest_share` of all windows is given up. With a `region_stride` windows of that
    stride search the region, and those of the full grid only what lies within `lesion_margin_voxels` of a lesion.
    On a `chessboard` the first pass runs the windows of one color, and of the other those beside what these found.
    """

    stride: Triple
    margin_voxels: int
    candidate_fraction: float
    largest_share: float
    inset_voxels: int = 0
    region_stride: Triple | None = None
    lesion_margin_voxels: int = 16
    chessboard: bool = False


def candidate_region(labels: NDArray[np.uint8], coarse: Coarse) -> NDArray[np.bool_] | None:
    """Give the voxels in or near a candidate of the coarse labels (x, y, z); None when there is no candidate.

    Near is within `margin_voxels` along every axis.
    """
    foreground = labels > BACKGROUND
    found = bounding_box(foreground)
    if found is None:
        return None
    inside = found.slices
    components, _ = ndimage.label(foreground[inside], np.ones((3, 3, 3), dtype=bool))
    sizes = np.bincount(components.reshape(-1))
    sizes[0] = 0
    foreground[inside] = (sizes > coarse.candidate_fraction * sizes.max())[components]
    return _near(foreground, coarse.margin_voxels)


def near_lesions(labels: NDArray[np.uint8], coarse: Coarse) -> NDArray[np.bool_] | None:
    """Give the voxels within `lesion_margin_voxels` of a tumor or duct voxel, along every axis; None without one."""
    return _near((labels == TUMOR) | (labels == DUCT), coarse.lesion_margin_voxels)


def _near(mask: NDArray[np.bool_], margin: int) -> NDArray[np.bool_] | None:
    found = bounding_box(mask)
    if found is None:
        return None
    shape: Triple = (mask.shape[0], mask.shape[1], mask.shape[2])
    inside = clamp(grow(found, margin), shape).slices  # all else lies in here, and most of a scan does not
    near = np.zeros(shape, dtype=bool)
    near[inside] = ndimage.maximum_filter(mask[inside].astype(np.uint8), size=2 * margin + 1, mode="constant") > 0
    return near
