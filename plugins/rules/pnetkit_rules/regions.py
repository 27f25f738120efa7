"""Name what a rule works on: one label, or the pancreas set as a whole."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pnetkit.types import BACKGROUND, DUCT, PANCREAS, TUMOR

Region = Literal["pancreas-set", "pancreas", "tumor", "duct"]
"""One of the labels, or the union of the three (labels 1-3)."""

VALUES = {"pancreas-set": PANCREAS, "pancreas": PANCREAS, "tumor": TUMOR, "duct": DUCT}
"""The label that voxels get which a region wins: of the set it is pancreas."""


def region_mask(labels: NDArray[np.uint8], region: Region) -> NDArray[np.bool_]:
    """Give the voxels (x, y, z) of a region."""
    mask: NDArray[np.bool_] = labels > BACKGROUND if region == "pancreas-set" else labels == VALUES[region]
    return mask
