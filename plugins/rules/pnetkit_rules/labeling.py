"""Number the connected components of a mask, as a list of its voxels.

Where the foreground is sparse, as the pancreas is in a scan, only its voxels are visited; elsewhere the box around it
is labeled as a whole. Both give the same components.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Connectivity = Annotated[Literal[6, 18, 26], Field(description="Neighbors of a voxel.")]

SPARSE = 0.02
"""Share of the box's voxels below which visiting single voxels is the faster way."""

_AXES = {6: 1, 18: 2, 26: 3}
"""The number of axes along which neighbors may differ."""


@dataclass(frozen=True, slots=True, eq=False)
class Voxels:
    """Hold voxels in scan order: `places` along the three axes, and the `numbers` (from 0) of their components."""

    places: tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]], NDArray[np.integer[Any]]]
    numbers: NDArray[np.integer[Any]]
    count: int

    def take(self, chosen: NDArray[np.bool_]) -> "Voxels":
        """Give the chosen ones of the voxels."""
        x, y, z = self.places
        return Voxels((x[chosen], y[chosen], z[chosen]), self.numbers[chosen], self.count)

    def boxed(self) -> tuple[NDArray[np.bool_], tuple[slice, slice, slice]]:
        """Give the voxels, of which there must be one, as a mask of their bounding box, and the box."""
        x, y, z = (slice(int(at.min()), int(at.max()) + 1) for at in self.places)
        mask = np.zeros([side.stop - side.start for side in (x, y, z)], dtype=bool)
        mask[tuple(at - side.start for at, side in zip(self.places, (x, y, z), strict=True))] = True
        return mask, (x, y, z)


def split_components(voxels: Voxels, *, least: int = 1) -> Iterator[Voxels]:
    """Yield the components of at least so many voxels one by one, in the order of their numbers."""
    ends = np.cumsum(np.bincount(voxels.numbers, minlength=voxels.count))
    order = np.argsort(voxels.numbers, kind="stable")
    for number, (start, end) in enumerate(zip(ends - np.diff(ends, prepend=0), ends, strict=True)):
        if end - start >= least:
            own = order[start:end]
            x, y, z = (at[own] for at in voxels.places)
            yield Voxels((x, y, z), np.full(own.size, number), voxels.count)


def label_voxels(mask: NDArray[np.bool_], connectivity: Connectivity) -> Voxels:
    """Give the true voxels of a mask (x, y, z) with their components, numbered in scan order."""
    box = ndimage.find_objects(mask.view(np.uint8))
    if not box or box[0] is None:
        nothing = np.zeros(0, dtype=np.intp)
        return Voxels((nothing, nothing, nothing), nothing, 0)
    inside = np.ascontiguousarray(mask[box[0]])
    label = _label_sparse if np.count_nonzero(inside) < SPARSE * inside.size else _label_dense
    voxels = label(inside, _AXES[connectivity])
    x, y, z = (at + found.start for at, found in zip(voxels.places, box[0], strict=True))
    return Voxels((x, y, z), voxels.numbers, voxels.count)


def _label_dense(mask: NDArray[np.bool_], axes: int) -> Voxels:
    found: Any = ndimage.label(mask, ndimage.generate_binary_structure(3, axes))
    places = np.nonzero(mask)
    return Voxels((places[0], places[1], places[2]), found[0][places] - 1, int(found[1]))


def _label_sparse(mask: NDArray[np.bool_], axes: int) -> Voxels:
    """Join each voxel with those of its neighbors that come later in scan order."""
    flat = mask.reshape(-1)
    order = np.flatnonzero(flat)
    x, y, z = np.unravel_index(order, mask.shape)
    edges: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
    for step in product((-1, 0, 1), repeat=3):
        if step <= (0, 0, 0) or sum(map(abs, step)) > axes:
            continue
        there = order + (step[0] * mask.shape[1] + step[1]) * mask.shape[2] + step[2]
        within = np.ones(order.size, dtype=bool)
        for at, by, length in zip((x, y, z), step, mask.shape, strict=True):
            if by:
                within &= (at + by >= 0) & (at + by < length)
        joined = np.flatnonzero(within)
        joined = joined[flat[there[joined]]]
        edges.append((joined, np.searchsorted(order, there[joined])))
    rows, columns = (np.concatenate(side) for side in zip(*edges, strict=True))
    graph = coo_array((np.ones(rows.size, dtype=bool), (rows, columns)), shape=(order.size, order.size))
    count, numbers = connected_components(graph, directed=False)
    return Voxels((x, y, z), numbers, int(count))
