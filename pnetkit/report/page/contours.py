"""Trace the outline of a mask along the edges of its voxels: exactly, nothing is smoothed."""

import re
from collections import defaultdict
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Point = tuple[int, int]

_TURNS = {(1, 0): (0, 1), (0, 1): (-1, 0), (-1, 0): (0, -1), (0, -1): (1, 0)}
"""Right turns of a direction (x to the right, y down): tried first where two voxels touch at a corner."""


def outline(mask: NDArray[np.bool_]) -> str:
    """Give the outline of a picture's mask (row, column) as the path of an SVG, in voxels; empty without a voxel.

    A voxel (row r, column c) fills the square from (c, r) to (c + 1, r + 1). Each loop has the mask on its right; what
    touches at a corner only have loops of their own. Holes are loops the other way round.
    """
    return "".join(map(_drawn, loops(mask)))


def corners_of(path: str) -> list[list[Point]]:
    """Give the loops of a path that `outline` gave, each as its corners (x, y) in order."""
    found = []
    for loop in path.split("z")[:-1]:
        x, y = (int(number) for number in re.split("[hv]", loop, maxsplit=1)[0][1:].split())
        corners = [(x, y)]
        for way, length in re.findall(r"([hv])(-?\d+)", loop):
            x, y = (x + int(length), y) if way == "h" else (x, y + int(length))
            corners.append((x, y))
        found.append(corners)
    return found


def loops(mask: NDArray[np.bool_]) -> list[list[Point]]:
    """Give the closed loops of a mask's outline, each as its corners (x, y) in order."""
    following = _edges(mask)
    found = []
    for start in sorted(following, key=lambda point: (point[1], point[0])):
        while following[start]:
            found.append(_corners(_loop(start, following)))
    return found


def _edges(mask: NDArray[np.bool_]) -> dict[Point, list[Point]]:
    """Give the ends of the edges that begin at a point, directed so that the mask lies on the right."""
    framed = np.pad(mask.astype(bool), 1)
    inner = framed[1:-1, 1:-1]
    sides = (  # the neighbor that is outside, and the edge from where to where, beside the voxel's own corner
        (framed[:-2, 1:-1], (0, 0), (1, 0)),
        (framed[1:-1, 2:], (1, 0), (1, 1)),
        (framed[2:, 1:-1], (1, 1), (0, 1)),
        (framed[1:-1, :-2], (0, 1), (0, 0)),
    )
    following: defaultdict[Point, list[Point]] = defaultdict(list)
    for neighbor, begin, end in sides:
        for row, column in np.argwhere(inner & ~neighbor).tolist():
            following[column + begin[0], row + begin[1]].append((column + end[0], row + end[1]))
    return dict(following)


def _loop(start: Point, following: dict[Point, list[Point]]) -> list[Point]:
    points, here = [start], following[start].pop()
    while here != start:
        points.append(here)
        ends = following[here]
        came = (here[0] - points[-2][0], here[1] - points[-2][1])
        right = (here[0] + _TURNS[came][0], here[1] + _TURNS[came][1])
        here = ends.pop(ends.index(right)) if len(ends) > 1 and right in ends else ends.pop()
    return points


def _corners(points: list[Point]) -> list[Point]:
    """Leave out the points at which a loop goes straight on."""
    around = zip([points[-1], *points[:-1]], points, [*points[1:], points[0]], strict=True)
    return [b for a, b, c in around if not (a[0] == b[0] == c[0] or a[1] == b[1] == c[1])]


def _drawn(corners: list[Point]) -> str:
    steps = [f"M{corners[0][0]} {corners[0][1]}"]
    for (x, y), (next_x, next_y) in pairwise(corners):
        steps.append(f"h{next_x - x}" if next_y == y else f"v{next_y - y}")
    return "".join([*steps, "z"])
