"""Turn volumes into the closest RAS+ orientation and back: axes are swapped and flipped, nothing is interpolated."""

from typing import Any

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation, ornt_transform
from numpy.typing import NDArray

from pnetkit.types import Grid, Triple

Orientation = NDArray[np.float64]
"""How stored axes lie in the patient, as nibabel writes it: (3, 2), patient axis and direction of each stored axis."""

_RAS = np.array([[0, 1], [1, 1], [2, 1]])


def canonical_grid(shape: Triple, affine: NDArray[np.float64]) -> tuple[Grid, Orientation]:
    """Give the grid of a stored volume once it is in RAS+ order, and how it is stored.

    Raises:
        ValueError: the affine is none that a grid can have.
    """
    Grid(shape, affine)
    orientation: Orientation = io_orientation(affine)
    x, y, z = (int(shape[int(axis)]) for axis in np.argsort(orientation[:, 0]))
    return Grid((x, y, z), affine @ inv_ornt_aff(orientation, shape)), orientation


def to_ras(stored: NDArray[Any], orientation: Orientation) -> NDArray[Any]:
    """Give a stored volume in RAS+ order."""
    turned: NDArray[Any] = apply_orientation(stored, orientation)
    return turned


def from_ras(volume: NDArray[Any], orientation: Orientation) -> NDArray[Any]:
    """Give a volume in RAS+ order as it would be stored."""
    turned: NDArray[Any] = apply_orientation(volume, ornt_transform(_RAS, orientation))
    return np.ascontiguousarray(turned)
