"""Bring a scan to a spacing, and label maps to and from it.

    scan, voxels of 2 mm     |   0   |   1   |   2   |          its field of view is kept: both grids have one center,
    at 1.5 mm                |  0  |  1  |  2  |  3  |          so centers lie half a voxel from the field's edge

Along each axis a voxel is the mean of its neighbors, weighted by a triangle: linear interpolation where the new voxels
are smaller; where they are larger the triangle is as wide as they are, so that noise is averaged and no slice is passed
over. Beyond the first and the last voxel the triangle is cut off, so that the edge is continued. Planes are made one by
one, in single precision and by NumPy alone, so that the bits do not depend on a library's kernels, and nothing beside
the result is held that is larger than a few planes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from pnetkit.imaging.boxes import Box, bounding_box
from pnetkit.types import BACKGROUND, CLASSES, GRID_TOLERANCE_VOXELS, Grid, Scan, Triple

Spacing = tuple[float, float, float]
"""Edges of a voxel along x, y and z in mm."""

RESAMPLING = 1
"""The version of how voxels are resampled: in the keys of all that sees resampled scans."""

PARALLEL = 1e-6
"""Axes of two grids are parallel where no axis of one moves more than this share of a voxel along another."""

BEYOND = 0.9
"""Voxels from the center of an axis's last voxel; what lies further out is taken to lie there."""

TIE = 1e-5
"""A class wins over a lower one by a larger share than that: smaller differences are rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Say along one axis of which voxels each new one is made: places and weights (new voxel, neighbor)."""

    places: NDArray[np.intp]
    weights: NDArray[np.float32]

    def of(self, part: slice) -> "Weights":
        """Give those of a part of the new axis."""
        return Weights(self.places[part], self.weights[part])


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Hold how sure it is which class each voxel of a grid has.

    `cut` gives the share of each class (class, y, z) in a part of a plane, by its place along x and slices along y and
    z; shares of a voxel add up to 1. In `box` lie all voxels of which background has not the largest one; None where
    there is none. `weight` is that beside other shares of the same voxels.
    """

    cut: Callable[[int, slice, slice], NDArray[np.float32]]
    grid: Grid
    box: Box | None
    weight: float = 1.0


def median_spacing(grids: Sequence[Grid]) -> Spacing:
    """Give the median of the spacings along each axis, to a tenth of a micrometer. Raises ValueError without a grid."""
    return median_of([grid.spacing_mm for grid in grids])


def median_of(spacings: Sequence[Spacing]) -> Spacing:
    """Give the median of spacings along each axis, to a tenth of a micrometer. Raises ValueError without any."""
    if not spacings:
        raise ValueError("the median of no spacing was asked for")
    x, y, z = (round(float(median(edges)), 4) for edges in zip(*spacings, strict=True))
    return x, y, z


def spacing_in_words(spacing_mm: Sequence[float]) -> str:
    """Give a spacing in words, as in `0.8 x 0.8 x 2.5 mm`."""
    return f"{' x '.join(f'{edge:.4g}' for edge in spacing_mm)} mm"


def grid_at(grid: Grid, spacing_mm: Spacing) -> Grid:
    """Give the grid of a spacing over another's field of view: parallel axes, the same center.

    An axis that has the spacing already, but for a tenth of a voxel over its length, stays as it is.
    """
    steps, shape = [], []
    for edge, wanted, n in zip(grid.spacing_mm, spacing_mm, grid.shape, strict=True):
        is_there = abs(edge / wanted - 1) * n <= GRID_TOLERANCE_VOXELS
        steps.append(1.0 if is_there else wanted / edge)
        shape.append(n if is_there else max(1, round(n * edge / wanted)))
    if all(step == 1 for step in steps):
        return grid
    affine = grid.affine.copy()
    affine[:3, :3] *= steps
    center = grid.affine[:3, :3] @ ((np.array(grid.shape) - 1) / 2) + grid.affine[:3, 3]
    affine[:3, 3] = center - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid((shape[0], shape[1], shape[2]), affine)


def shape_at(grid: Grid, spacing_mm: Spacing | None) -> Triple:
    """Give the voxels along the axes of a grid at a spacing; its own without one."""
    return grid.shape if spacing_mm is None else grid_at(grid, spacing_mm).shape


def edges_at(grid: Grid, spacing_mm: Spacing | None) -> Spacing:
    """Give the edges of the voxels of a grid at a spacing; its own without one."""
    return grid.spacing_mm if spacing_mm is None else grid_at(grid, spacing_mm).spacing_mm


def at_spacing(scan: Scan, spacing_mm: Spacing | None) -> Scan:
    """Give a scan at a spacing, in whole HU; itself where it has that spacing already, or none is asked for."""
    grid = scan.grid if spacing_mm is None else grid_at(scan.grid, spacing_mm)
    if grid is scan.grid:
        return scan
    hu = resampled(scan.hu, scan.grid, grid)
    for plane in hu:
        np.rint(plane, out=plane)
    return Scan(hu, grid)


def resampled(volume: NDArray[np.float32], grid: Grid, target: Grid) -> NDArray[np.float32]:
    """Give a volume (x, y, z) on another grid whose axes are parallel to its own. Raises ValueError for others."""
    along = weights_between(grid, target)
    result = np.empty(target.shape, dtype=np.float32)
    for into, plane in zip(result, _planes(volume.__getitem__, along), strict=True):
        into[...] = plane
    return result


def labels_on(labels: NDArray[np.uint8], grid: Grid, target: Grid) -> NDArray[np.uint8]:
    """Give labels (x, y, z) on another grid: of each voxel the label of the largest share, the lowest one on a tie.

    Labels beyond the four classes, as of voxels that are to be ignored, are a class each.
    """
    if grid is target:
        return labels
    if labels.size == 0 or int(labels.max()) < len(CLASSES):
        return largest_shares([shares_of_labels(labels, grid)], target)
    known = range(len(CLASSES))
    values = np.array([*known, *(value for value in np.unique(labels) if value not in known)], dtype=np.uint8)
    table = np.zeros(256, dtype=np.uint8)
    table[values] = np.arange(len(values), dtype=np.uint8)
    found = largest_shares([shares_of_labels(table[labels], grid, classes=len(values))], target)
    return values[found]


def shares_of_labels(labels: NDArray[np.uint8], grid: Grid, *, classes: int = len(CLASSES)) -> Shares:
    """Give labels (x, y, z) as shares: all of each voxel is of its class."""
    values = np.arange(classes, dtype=np.uint8)[:, None, None]
    return Shares(
        lambda x, y, z: (labels[x, y, z] == values).astype(np.float32), grid, bounding_box(labels > BACKGROUND)
    )


def largest_shares(sources: Sequence[Shares], target: Grid) -> NDArray[np.uint8]:
    """Give of each voxel of a grid (x, y, z) the class of the largest mean share, the lowest one on a tie.

    Only what may be anything but background is looked at: nothing else wins where background has the largest share of
    all voxels that are averaged. Raises ValueError for grids whose axes are not parallel.
    """
    labels = np.full(target.shape, BACKGROUND, dtype=np.uint8)
    along = [weights_between(of.grid, target) for of in sources]
    touched = [
        [_touching(axis, start, stop) for axis, start, stop in zip(of, at.box.start, at.box.stop, strict=True)]
        for of, at in zip(along, sources, strict=True)
        if at.box is not None
    ]
    if not touched:
        return labels
    where = [slice(min(of[axis].start for of in touched), max(of[axis].stop for of in touched)) for axis in range(3)]
    total = sum(of.weight for of in sources)
    coming = [
        (
            np.float32(of.weight / total),
            _share_planes(of, [axis.of(part) for axis, part in zip(to, where, strict=True)]),
        )
        for of, to in zip(sources, along, strict=True)
    ]
    into = labels[where[0], where[1], where[2]]
    for plane in into:
        parts = [next(planes) * weight if len(coming) > 1 else next(planes) for weight, planes in coming]
        shares = parts[0]
        for part in parts[1:]:
            shares += part
        plane[...] = _winners(shares)
    return labels


def weights_between(grid: Grid, target: Grid) -> tuple[Weights, Weights, Weights]:
    """Say along each axis of which voxels of one grid those of another are made. Raises ValueError for turned axes."""
    to = np.linalg.inv(grid.affine) @ target.affine
    steps = to[:3, :3].diagonal()
    beside = np.abs(to[:3, :3] - np.diag(steps)) * np.array(target.shape)
    if beside.max() > max(PARALLEL * max(grid.shape), GRID_TOLERANCE_VOXELS * 0.1) or (steps <= 0).any():
        raise ValueError(f"the axes of the grids are not parallel: {to[:3, :3].tolist()}")
    x, y, z = (
        _along(n, m, float(first), float(step))
        for n, m, first, step in zip(grid.shape, target.shape, to[:3, 3], steps, strict=True)
    )
    return x, y, z


def _along(length: int, count: int, first: float, step: float) -> Weights:
    """Weigh the voxels of an axis for new ones at `first`, `first + step`, …, in voxels from the center of the first.

    A new axis is the old one where no center is moved by more than rounding.
    """
    centers = first + step * np.arange(count)
    whole = np.round(centers)
    if step <= 1 and np.abs(centers - whole).max() < PARALLEL:  # as an axis that stays: no sums, no rounding
        centers = whole
    centers = np.clip(centers, -BEYOND, length - 1 + BEYOND)
    width = max(1.0, step)
    places = np.ceil(centers - width).astype(np.intp)[:, None] + np.arange(int(2 * width) + 1)
    weights = np.clip(1 - np.abs(places - centers[:, None]) / width, 0, None)
    weights[(places < 0) | (places >= length)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights.max(axis=0) > 0
    return Weights(np.clip(places, 0, length - 1)[:, used], weights.astype(np.float32)[:, used])


def _touching(along: Weights, start: int, stop: int) -> slice:
    """Give which new voxels are made of any in a range of an axis."""
    touch = ((along.places >= start) & (along.places < stop) & (along.weights > 0)).any(axis=1)
    hit = np.flatnonzero(touch)
    return slice(int(hit[0]), int(hit[-1]) + 1) if hit.size else slice(0, 0)


def _share_planes(of: Shares, along: Sequence[Weights]) -> Iterator[NDArray[np.float32]]:
    """Yield planes of shares along new axes, of no more voxels than these need."""
    y, z = (slice(int(axis.places.min()), int(axis.places.max()) + 1) for axis in along[1:])
    shifted = [Weights(axis.places - part.start, axis.weights) for axis, part in zip(along[1:], (y, z), strict=True)]
    return _planes(lambda x: of.cut(x, y, z), (along[0], shifted[0], shifted[1]))


def _winners(shares: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Give the class of the largest share (class, y, z), the lowest one on a tie."""
    most, winner = shares[BACKGROUND].copy(), np.full(shares.shape[1:], BACKGROUND, dtype=np.uint8)
    for label, of in enumerate(shares[1:], start=1):
        more = of > most + np.float32(TIE)
        np.copyto(winner, np.uint8(label), where=more)
        np.copyto(most, of, where=more)
    return winner


def _planes(
    plane: Callable[[int], NDArray[np.float32]], along: tuple[Weights, Weights, Weights]
) -> Iterator[NDArray[np.float32]]:
    """Yield the planes (…, y, z) of a volume along new axes, first to last; they may be its own."""
    held: dict[int, NDArray[np.float32]] = {}
    for places, weights in zip(along[0].places, along[0].weights, strict=True):
        needed = {int(place): weight for place, weight in zip(places, weights, strict=True) if weight > 0}
        held = {place: held[place] if place in held else plane(place) for place in needed}
        parts = [held[place] if weight == 1 else held[place] * weight for place, weight in needed.items()]
        mixed = parts[0]
        for part in parts[1:]:
            mixed = mixed + part
        yield _mixed(_mixed(mixed, along[1], axis=-2), along[2], axis=-1)


def _mixed(plane: NDArray[np.float32], along: Weights, *, axis: int) -> NDArray[np.float32]:
    """Give a plane (…, y, z) along one new axis; itself where that is the old one."""
    places, weights = along.places, along.weights
    if places.shape[1] == 1 and np.array_equal(places[:, 0], np.arange(plane.shape[axis])):
        return plane
    if axis == -2:  # noqa: PLR2004
        weights = weights[:, :, None]
    parts = [np.take(plane, places[:, neighbor], axis=axis) for neighbor in range(places.shape[1])]
    for neighbor, part in enumerate(parts):
        np.multiply(part, weights[:, neighbor], out=part)
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total
