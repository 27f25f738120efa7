"""Boxes of voxels: around a mask, grown, snapped to a lattice, cut out with padding."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.types import Triple


@dataclass(frozen=True, slots=True)
class Box:
    """A box of voxels: `start` inclusive, `stop` exclusive. It may reach beyond the volume."""

    start: Triple
    stop: Triple

    @property
    def shape(self) -> Triple:
        """Give the edge lengths in voxels."""
        x, y, z = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return x, y, z

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Give what cuts the box out of an array (x, y, z) that holds all of it."""
        x, y, z = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return x, y, z


def bounding_box(mask: NDArray[np.bool_]) -> Box | None:
    """Find the smallest box around the true voxels; None when there are none."""
    start, stop = [], []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero(mask.any(axis=others))
        if hit.size == 0:
            return None
        start.append(int(hit[0]))
        stop.append(int(hit[-1]) + 1)
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def grow(box: Box, margin_voxels: int | Triple) -> Box:
    """Move every face outwards by a margin; beyond the volume too."""
    mx, my, mz = (margin_voxels,) * 3 if isinstance(margin_voxels, int) else margin_voxels
    (ax, ay, az), (bx, by, bz) = box.start, box.stop
    return Box((ax - mx, ay - my, az - mz), (bx + mx, by + my, bz + mz))


def clamp(box: Box, shape: Triple) -> Box:
    """Cut a box down to the volume."""
    start = [min(max(a, 0), n) for a, n in zip(box.start, shape, strict=True)]
    stop = [min(max(b, 0), n) for b, n in zip(box.stop, shape, strict=True)]
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def snap(box: Box, step: Triple) -> Box:
    """Move every face outwards to the next multiple of `step`, counted from the volume's first voxel."""
    start = [a // s * s for a, s in zip(box.start, step, strict=True)]
    stop = [-(-b // s) * s for b, s in zip(box.stop, step, strict=True)]
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def cut(volume: NDArray[Any], box: Box, *, fill: float) -> NDArray[Any]:
    """Copy a box out of a volume (x, y, z); what lies outside the volume becomes `fill`."""
    result = np.full(box.shape, fill, dtype=volume.dtype)
    inside = clamp(box, (volume.shape[0], volume.shape[1], volume.shape[2]))
    if min(inside.shape) > 0:
        target = tuple(slice(a - o, b - o) for a, b, o in zip(inside.start, inside.stop, box.start, strict=True))
        result[target] = volume[inside.slices]
    return result
