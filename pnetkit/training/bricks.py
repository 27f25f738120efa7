"""A volume in small bricks, each as small as its values allow, and exactly what it was.

Of a CT within its intensity window most is air, and most of the rest differs little from one voxel to the next. So a
brick of one value is that value alone; one whose values lie within 255 of its least is bytes; the others stay as they
are. Patches are put together of the bricks that they touch, by a few calls of NumPy and without unpacking anything, so
that bricks may lie in a file and be memory-mapped.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.imaging.boxes import Box, clamp
from pnetkit.types import Triple

EDGE = 8
"""Voxels along each side of a brick."""

NARROW = 255
"""The largest difference that a byte holds."""


@dataclass(frozen=True, slots=True, eq=False)
class Bricks:
    """Hold a volume of a `shape` (x, y, z).

    `base` and `place` are by brick (x, y, z). Where `place` is 0 the brick is its base; where it is k > 0, its base
    plus `narrow[k - 1]`; where it is -k < 0, `wide[k - 1]`. The latter two are (brick, voxel).
    """

    shape: Triple
    base: NDArray[np.generic]
    place: NDArray[np.int32]
    narrow: NDArray[np.uint8]
    wide: NDArray[np.generic]


def in_bricks(volume: NDArray[Any]) -> Bricks:
    """Put a volume (x, y, z), of integers or floats without NaN, into bricks."""
    nx, ny, nz = volume.shape
    grid = tuple(-(-n // EDGE) for n in volume.shape)
    base, place = np.empty(grid, volume.dtype), np.zeros(grid, np.int32)
    narrow, wide, narrow_count, wide_count = [], [], 0, 0
    for number in range(grid[0]):  # a layer of bricks at a time, to hold little beside the volume
        layer = _layer(volume[number * EDGE : (number + 1) * EDGE], grid)
        least = layer.min(axis=1)
        spread = layer.max(axis=1).astype(np.float64) - least
        small = np.where(spread[:, None] <= NARROW, layer - least[:, None], 0).astype(np.uint8)
        again = (least[:, None] + small).astype(volume.dtype)
        is_exact = (again.view(np.uint8) == layer.view(np.uint8)).all(axis=1)
        of_bytes = np.flatnonzero(is_exact & small.any(axis=1))
        as_it_is = np.flatnonzero(~is_exact)
        of_layer = np.zeros(len(layer), np.int32)
        of_layer[of_bytes] = narrow_count + 1 + np.arange(len(of_bytes))
        of_layer[as_it_is] = -(wide_count + 1 + np.arange(len(as_it_is)))
        base[number], place[number] = least.reshape(grid[1:]), of_layer.reshape(grid[1:])
        narrow.append(small[of_bytes])
        wide.append(layer[as_it_is])
        narrow_count, wide_count = narrow_count + len(of_bytes), wide_count + len(as_it_is)
    return Bricks((nx, ny, nz), base, place, np.concatenate(narrow), np.concatenate(wide))


def cut_bricks(bricks: Bricks, box: Box, *, fill: float) -> NDArray[Any]:
    """Copy a box out of a volume in bricks; what lies outside the volume becomes `fill`. As `boxes.cut`."""
    result = np.full(box.shape, fill, dtype=bricks.base.dtype)
    inside = clamp(box, bricks.shape)
    if min(inside.shape) > 0:
        start, stop = (
            tuple(a // EDGE for a in inside.start),
            tuple(-(-b // EDGE) for b in inside.stop),
        )
        touched = _joined(bricks, tuple(slice(a, b) for a, b in zip(start, stop, strict=True)))
        target = tuple(slice(a - o, b - o) for a, b, o in zip(inside.start, inside.stop, box.start, strict=True))
        source = tuple(
            slice(a - EDGE * s, b - EDGE * s) for a, b, s in zip(inside.start, inside.stop, start, strict=True)
        )
        result[target] = touched[source]
    return result


def _layer(slab: NDArray[Any], grid: tuple[int, ...]) -> NDArray[Any]:
    """Give the bricks of a slab that is one brick thick, as (brick, voxel); its last ones are filled up."""
    wanted = (EDGE, grid[1] * EDGE, grid[2] * EDGE)
    padded = np.pad(slab, [(0, w - n) for w, n in zip(wanted, slab.shape, strict=True)], mode="edge")
    cut = padded.reshape(EDGE, grid[1], EDGE, grid[2], EDGE).transpose(1, 3, 0, 2, 4)
    return np.ascontiguousarray(cut).reshape(grid[1] * grid[2], EDGE**3)


def _joined(bricks: Bricks, touched: tuple[slice, ...]) -> NDArray[Any]:
    """Join some bricks to a volume (x, y, z)."""
    place = bricks.place[touched]
    base, of, (x, y, z) = bricks.base[touched].reshape(-1), place.reshape(-1), place.shape
    voxels = np.empty((of.size, EDGE**3), base.dtype)
    alone, of_bytes, as_it_is = np.flatnonzero(of == 0), np.flatnonzero(of > 0), np.flatnonzero(of < 0)
    voxels[alone] = base[alone, None]
    voxels[of_bytes] = np.add(bricks.narrow[of[of_bytes] - 1], base[of_bytes, None], dtype=base.dtype)
    voxels[as_it_is] = bricks.wide[-of[as_it_is] - 1]
    rows = voxels.view(_row_type(base.dtype)).reshape(x, y, z, EDGE, EDGE).transpose(0, 3, 1, 4, 2)
    return np.ascontiguousarray(rows).view(base.dtype).reshape(x * EDGE, y * EDGE, z * EDGE)


def _row_type(voxel: np.dtype[Any]) -> np.dtype[Any]:
    """Give a type as large as a row of a brick: a row is moved as one value, which is faster, and never computed."""
    return np.dtype({1: np.uint64, 2: np.complex128}.get(voxel.itemsize, (np.void, EDGE * voxel.itemsize)))
