"""Measure how far components lie from a set of voxels: smallest Euclidean distances between voxel centers."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from pnetkit_rules.labeling import Voxels


def component_distances(
    own: Voxels, others: Voxels, *, reach: float, spacing: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Give for each component (n,) of `others` its distance to the voxels of `own`, of which there must be one.

    In units of `spacing`, as `reach` is. Infinite beyond `reach`, and for components that have no voxel in `others`.
    """
    nearest = np.full(others.count, np.inf)
    for axis, s in zip((0, 1, 2), spacing, strict=True):  # what lies out of reach along one axis is out of reach
        steps, values = math.ceil(reach / s), own.places[axis]
        at = others.places[axis]
        others = others.take((at >= values.min() - steps) & (at <= values.max() + steps))
    if others.numbers.size == 0:
        return nearest
    tree = cKDTree(_surface(own) * np.array(spacing))
    # The tree looks no further than just above the reach; infinity stands for everything beyond.
    points = np.stack(others.places, axis=1) * np.array(spacing)
    distances, _ = tree.query(points, distance_upper_bound=reach * (1 + 1e-6) + 1e-6)
    np.minimum.at(nearest, others.numbers, distances)
    return nearest


def _surface(voxels: Voxels) -> NDArray[np.intp]:
    """Give the voxels (n, 3) that have a neighbor by face outside: the others are not the nearest."""
    mask, box = voxels.boxed()
    inner: NDArray[np.bool_] = ndimage.binary_erosion(mask, border_value=0)
    surface: NDArray[np.intp] = np.argwhere(mask & ~inner) + np.array([side.start for side in box])
    return surface
