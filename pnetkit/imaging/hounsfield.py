"""Hold voxels to what a CT in Hounsfield units can hold."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.errors import ImageError
from pnetkit.imaging.memory_order import z_fastest
from pnetkit.types import Grid, Scan

HU_PLAUSIBLE_MINIMUM = (-8192, -50)
"""The least value of a CT lies here: some scanners mark the outside with -2048 or less; every abdomen has fat."""

HU_PLAUSIBLE_MAXIMUM = (50, 32767)
"""The largest value of a CT lies here: soft tissue at the least, metal at the most."""


def as_scan(voxels: NDArray[Any], grid: Grid, where: object) -> Scan:
    """Make a scan of voxels (RAS+ order); `where` names their file or series.

    Raises:
        ImageError: voxels are NaN or infinite, or hold values that no CT in Hounsfield units has.
    """
    hu = z_fastest(voxels, np.float32)
    bad = hu.size - int(np.count_nonzero(np.isfinite(hu)))
    if bad:
        raise ImageError(f"{where}: {bad} of {hu.size} voxels are NaN or infinite; a CT has a finite HU everywhere.")
    low, high = float(hu.min()), float(hu.max())
    within = HU_PLAUSIBLE_MINIMUM[0] <= low <= HU_PLAUSIBLE_MINIMUM[1]
    if not (within and HU_PLAUSIBLE_MAXIMUM[0] <= high <= HU_PLAUSIBLE_MAXIMUM[1]):
        raise ImageError(
            f"{where}: values run from {low:g} to {high:g}; an abdominal CT in HU has its minimum in "
            f"{HU_PLAUSIBLE_MINIMUM} and its maximum in {HU_PLAUSIBLE_MAXIMUM}. Is the rescale slope or intercept "
            f"missing, or the image already normalized?"
        )
    return Scan(hu=hu, grid=grid)
