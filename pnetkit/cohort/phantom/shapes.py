"""The two shapes that phantoms are made of, and how they are painted onto a grid of voxels.

Centers and radii are in mm, in RAS+ coordinates around the middle of the abdomen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pnetkit.types import Triple

Point = tuple[float, float, float]

STEP_MM = 1.5
"""Distance between the balls that make up a tube."""


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """An ellipsoid of one tissue; a large radius along z makes it a cylinder."""

    center: Point
    radii: Point
    tissue: int


@dataclass(frozen=True, slots=True)
class Tube:
    """A tube of one tissue along a polyline; the radius changes linearly between its points."""

    points: tuple[Point, ...]
    radii: tuple[float, ...]
    tissue: int


Shape = Ellipsoid | Tube


@dataclass(frozen=True, slots=True)
class Lattice:
    """A regular grid: the position of its first voxel's center, its spacing, its shape."""

    first_mm: Point
    spacing_mm: Point
    shape: Triple


def paint(shapes: Sequence[Shape], lattice: Lattice) -> NDArray[np.uint8]:
    """Give the tissue of each voxel center (x, y, z); later shapes cover earlier ones, 0 is where there is none."""
    tissue = np.zeros(lattice.shape, dtype=np.uint8)
    for shape in shapes:
        if isinstance(shape, Ellipsoid):
            _paint_ellipsoid(tissue, lattice, shape.center, shape.radii, shape.tissue)
        else:
            for center, radius in _balls(shape):
                _paint_ellipsoid(tissue, lattice, center, (radius, radius, radius), shape.tissue)
    return tissue


def along(points: Sequence[Point], fraction: float) -> NDArray[np.float64]:
    """Give the point at a fraction of a polyline's length."""
    corners = np.asarray(points, dtype=np.float64)
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    at = fraction * lengths[-1]
    return np.array([np.interp(at, lengths, corners[:, axis]) for axis in range(3)])


def _balls(tube: Tube) -> list[tuple[Point, float]]:
    balls: list[tuple[Point, float]] = []
    for i in range(len(tube.points) - 1):
        a, b = np.asarray(tube.points[i]), np.asarray(tube.points[i + 1])
        count = max(int(np.ceil(np.linalg.norm(b - a) / STEP_MM)), 1)
        for j in range(count + 1):
            x, y, z = (a + (b - a) * j / count).tolist()
            balls.append(((x, y, z), tube.radii[i] + (tube.radii[i + 1] - tube.radii[i]) * j / count))
    return balls


def _paint_ellipsoid(tissue: NDArray[np.uint8], lattice: Lattice, center: Point, radii: Point, value: int) -> None:
    box, parts = [], []
    for axis in range(3):
        first, spacing, length = lattice.first_mm[axis], lattice.spacing_mm[axis], lattice.shape[axis]
        low = max(int(np.ceil((center[axis] - radii[axis] - first) / spacing)), 0)
        high = min(int(np.floor((center[axis] + radii[axis] - first) / spacing)) + 1, length)
        if low >= high:
            return
        box.append(slice(low, high))
        parts.append(((first + spacing * np.arange(low, high) - center[axis]) / radii[axis]) ** 2)
    inside = parts[0][:, None, None] + parts[1][None, :, None] + parts[2][None, None, :] <= 1
    tissue[tuple(box)][inside] = value
