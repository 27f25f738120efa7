"""Bring one scan onto another's grid, by the coordinates that the scanner wrote down."""

import numpy as np
from scipy.ndimage import affine_transform

from pnetkit.types import Grid, Scan

AIR_HU = -1024.0
"""What lies outside the scan that is resampled."""


def resample(scan: Scan, grid: Grid) -> Scan:
    """Interpolate a scan linearly at the voxels of `grid`, in whole HU; air where it has no voxel.

    Nothing is registered: breath and motion between two phases stay. A scan that is on the grid already is given back
    as it is.
    """
    if scan.grid.matches(grid):
        return scan
    to_scan = np.linalg.inv(scan.grid.affine) @ grid.affine
    hu = affine_transform(
        scan.hu, to_scan[:3, :3], to_scan[:3, 3], output_shape=grid.shape, order=1, mode="constant", cval=AIR_HU
    )
    return Scan(np.round(hu), grid)
