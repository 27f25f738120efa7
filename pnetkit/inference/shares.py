"""Say of a segmentation which share each class has of a voxel's votes, or of its mean probabilities.

Labels that go to another grid are decided there, of shares: a label alone does not say how near to its neighbor a
border lies, and a hard label that is brought to smaller voxels has steps as large as the voxels that it was made on.
Votes are counts, so they are kept as such, and made shares for the part of a plane that is asked for.
"""

import numpy as np
from numpy.typing import NDArray

from pnetkit.imaging.boxes import bounding_box
from pnetkit.imaging.spacing import Shares
from pnetkit.inference.segment import Segmented
from pnetkit.types import BACKGROUND


def shares_of(found: Segmented, weight: float = 1.0) -> Shares:
    """Give the shares of a segmentation that kept them, with a weight beside others of the same scan.

    Where nobody was asked, outside the body, all is background. Raises ValueError where they were not kept.
    """
    counts = found.shares
    if counts is None:
        raise ValueError("the shares of this segmentation were not kept")

    def cut(x: int, y: slice, z: slice) -> NDArray[np.float32]:
        shares = counts[:, x, y, z].astype(np.float32)
        total = shares.sum(axis=0)
        asked = total > 0
        np.divide(shares, total, out=shares, where=asked)
        shares[BACKGROUND][~asked] = 1
        return shares

    return Shares(cut, found.segmentation.grid, bounding_box(found.segmentation.labels > BACKGROUND), weight)
