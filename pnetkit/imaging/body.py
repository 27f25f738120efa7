"""Find the body in a CT: what is outside of it is background, whatever a network says."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pnetkit.types import Triple

TISSUE_HU = -300.0
"""Fat lies above, lung and the couch's foam below."""

COARSE = 4
"""The body is found on every fourth voxel: its surface is not needed more exactly, as a margin stays around it."""


def body_mask(hu: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which voxels of a CT (x, y, z) belong to the body, with a margin of a few voxels around it.

    The largest connected piece of tissue, holes in its axial slices filled (lungs, bowel gas). A volume without tissue
    is taken for body as a whole, so that nothing is ever decided by an empty mask.
    """
    steps = [max(1, min(COARSE, n // 16)) for n in hu.shape]
    tissue = hu[:: steps[0], :: steps[1], :: steps[2]] > TISSUE_HU
    pieces, count = ndimage.label(tissue, np.ones((3, 3, 3), dtype=bool))
    if count == 0:
        return np.ones(hu.shape, dtype=bool)
    sizes = np.bincount(pieces.reshape(-1))
    sizes[0] = 0
    body = pieces == int(sizes.argmax())
    for z in range(body.shape[2]):
        body[:, :, z] = ndimage.binary_fill_holes(body[:, :, z])
    body = ndimage.binary_dilation(body, np.ones((3, 3, 3), dtype=bool))
    shape: Triple = (hu.shape[0], hu.shape[1], hu.shape[2])
    for axis, step in enumerate(steps):
        body = np.repeat(body, step, axis=axis).take(range(shape[axis]), axis=axis)
    return np.ascontiguousarray(body)
