"""Find the voxels of an image that its header calls padding: they were not measured."""

from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from pnetkit.imaging.padding import AIR_HU, AIR_LIKE_HU, reaches_border

SIGNED = 2**15
"""Padding values of signed images are often written as if they were unsigned: -2000 as 63536."""


def without_padding(dataset: pydicom.Dataset, stored: NDArray[Any], hu: NDArray[Any]) -> NDArray[Any]:
    """Give an image (row, column) with air where its header says that it is padded.

    Headers are wrong about it, too: where the value would be tissue, only what reaches the image's border is padding.
    """
    value, limit = dataset.get("PixelPaddingValue"), dataset.get("PixelPaddingRangeLimit")
    if not isinstance(value, int):
        return hu
    ends = [
        end if end < SIGNED or stored.min() >= 0 else end - 2 * SIGNED for end in (value, limit) if isinstance(end, int)
    ]
    padding = (stored >= min(ends)) & (stored <= max(ends))
    if not padding.any():
        return hu
    if float(hu[padding].max()) > AIR_LIKE_HU:
        padding = reaches_border(padding)
    return np.where(padding, AIR_HU, hu)
