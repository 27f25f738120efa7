"""Hold voxels to what a CT in Hounsfield units can hold: values, and a body where HU put bodies."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.errors import ImageError
from pnetkit.imaging.memory_order import z_fastest
from pnetkit.imaging.padding import pad_with_air
from pnetkit.types import Grid, Scan

HU_PLAUSIBLE_MINIMUM = (-8192, -50)
"""The least value of a CT lies here: some scanners mark the outside with -2048 or less; every abdomen has fat."""

HU_PLAUSIBLE_MAXIMUM = (50, 32767)
"""The largest value of a CT lies here: soft tissue at the least, metal at the most."""

READING = 2
"""The version of how stored voxels become a scan: in the keys of all that reads scans."""

TISSUE_HU = -300.0
"""Fat lies above, lung below."""

FAT_HU, SOFT_HU, DENSE_HU = (-160.0, -40.0), (-20.0, 200.0), 400.0
"""Fat; organs, muscle and blood, with contrast or without; and what only bone, metal and a dense contrast exceed."""

LEAST_TISSUE, LEAST_FAT, LEAST_SOFT, MOST_DENSE = 0.01, 0.01, 0.1, 0.25
"""Shares: of tissue in the scan; in the tissue of fat, of soft tissue, of what is denser than 400 HU. Six real scans
have 0.24, 0.19 and 0.44 at the least, 0.02 at the most. Without the intercept is no fat, with it twice no tissue."""

MOST_BONE, MOST_SOFT_HU = 0.05, 200.0
"""A scan that cuts out an organ has no fat; it is believed with no more bone than that, and a median up to that."""

LOOKED_AT, LEAST_VOXELS = 4, 4096
"""Every fourth voxel along an axis is looked at; shares of fewer than so many say nothing."""


def as_scan(voxels: NDArray[Any], grid: Grid, where: object) -> Scan:
    """Make a scan of voxels (RAS+ order), with air for what pads it; `where` names their file or series.

    Raises:
        ImageError: voxels are NaN or infinite, hold values that no CT in Hounsfield units has, or show no body where
            such a CT does.
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
    hu = pad_with_air(hu)
    wrong = body_fault(hu)
    if wrong:
        raise ImageError(
            f"{where}: its body is not where Hounsfield units put bodies: {wrong}. Is the rescale intercept missing, "
            f"or applied twice? Export the scan again, in HU."
        )
    return Scan(hu=hu, grid=grid)


def body_fault(hu: NDArray[np.float32]) -> str:
    """Say what speaks against a body of fat and soft tissue in a scan without padding; empty where nothing does."""
    steps = [max(1, min(LOOKED_AT, n // 32)) for n in hu.shape]
    seen = hu[:: steps[0], :: steps[1], :: steps[2]]
    if seen.size < LEAST_VOXELS:
        return ""
    tissue = seen[seen > TISSUE_HU]
    share = tissue.size / seen.size
    if share < LEAST_TISSUE:
        return f"{share:.1%} of the voxels lie above {TISSUE_HU:g}, wanted {LEAST_TISSUE:.0%} at the least"
    said = []
    dense = float(np.count_nonzero(tissue > DENSE_HU) / tissue.size)
    may_lack_fat = dense <= MOST_BONE and float(np.median(tissue)) <= MOST_SOFT_HU
    for kind, (low, high), least in (("fat", FAT_HU, LEAST_FAT), ("organs", SOFT_HU, LEAST_SOFT)):
        share = float(np.count_nonzero((tissue >= low) & (tissue <= high)) / tissue.size)
        if share < least and not (kind == "fat" and may_lack_fat):
            said.append(f"{share:.1%} lie between {low:g} and {high:g} as {kind} do, wanted {least:.0%} at the least")
    if dense > MOST_DENSE:
        said.append(f"{dense:.0%} lie above {DENSE_HU:g}, wanted {MOST_DENSE:.0%} at the most")
    return f"of the voxels above {TISSUE_HU:g}, {'; '.join(said)}" if said else ""
