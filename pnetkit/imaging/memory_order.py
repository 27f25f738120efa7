"""Lay a volume out in memory in the order in which networks read it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 16
"""Voxels per side of what is copied at once: a block's lines of both orders stay in the cache."""


def z_fastest(volume: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    """Give a volume (x, y, z) as a contiguous array whose last axis runs fastest; itself where it is one already.

    NIfTI stores x fastest. NumPy's own copy reads one value of each line of memory and comes back for the next; in
    blocks it is four times as fast.
    """
    if volume.dtype == dtype and volume.flags.c_contiguous:
        return volume
    result = np.empty(volume.shape, dtype=dtype)
    for x in range(0, volume.shape[0], BLOCK):
        for z in range(0, volume.shape[2], BLOCK):
            block = np.s_[x : x + BLOCK, :, z : z + BLOCK]
            result[block] = volume[block]
    return result


def x_fastest(volume: NDArray[Any]) -> NDArray[Any]:
    """Give a volume (x, y, z) with its first axis fastest in memory, as NIfTI stores it; itself where it is so."""
    return z_fastest(volume.T, volume.dtype.type).T
