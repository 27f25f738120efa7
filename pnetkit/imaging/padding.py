"""Find what pads a scan: values that stand where nothing was measured, and mean no tissue."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pnetkit.types import Triple

AIR_HU, LEAST_HU = -1000.0, -1024.0
"""Air; and below the second nothing was measured: scanners mark the outside of their circle with -2000 or -3024."""

AIR_LIKE_HU = -900.0
"""A corner that is darker than that is air already, whatever pads it."""

CORNER_SHARE, LEAST_CORNER = 32, 3
"""A corner's side is this part of the image's; within it noise is never all of one value."""


def pad_with_air(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give a scan (x, y, z) whose padding is air: itself where nothing pads it, else a copy.

    Values below -1024 become -1024. In axial slices a corner of one single value, brighter than air, was not measured
    (a volume that was turned or padded with 0, stored values of air): it becomes air, with all that is connected to it.
    """
    constant = _constant_corners(hu)
    if not constant and float(hu.min()) >= LEAST_HU:
        return hu
    padded = np.maximum(hu, np.float32(LEAST_HU))
    for z, value in constant:
        padded[:, :, z][reaches_border(hu[:, :, z] == value)] = AIR_HU
    return padded


def reaches_border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give the pieces of a mask (2-D) that reach its border: what pads an image, and not a voxel of the same value."""
    pieces, _ = ndimage.label(mask)
    at_border = np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))
    return np.asarray(np.isin(pieces, at_border[at_border > 0]))


def _constant_corners(hu: NDArray[Any]) -> list[tuple[int, float]]:
    """Name slices with a corner of one value that is brighter than air, and these values."""
    shape: Triple = (hu.shape[0], hu.shape[1], hu.shape[2])
    width, height = (max(LEAST_CORNER, n // CORNER_SHARE) for n in shape[:2])
    if shape[0] < 2 * width or shape[1] < 2 * height:
        return []  # its corners would be all of it
    found = set()
    for x in (slice(0, width), slice(-width, None)):
        for y in (slice(0, height), slice(-height, None)):
            corner = hu[x, y].reshape(width * height, shape[2])
            low, high = corner.min(axis=0), corner.max(axis=0)
            found |= {(int(z), float(low[z])) for z in np.flatnonzero((low == high) & (low > AIR_LIKE_HU))}
    return sorted(found)
