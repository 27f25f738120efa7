"""Walk over a volume window by window: pad what is too small, cut patches in batches, cut the result back."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pnetkit.inference.windows import padding, window_grid, window_starts
from pnetkit.types import Triple

Fill = float | tuple[float, ...]
"""The input value of air: one for all channels, or one for each."""

Slices = tuple[slice, slice, slice]


def pad_to_window(volume: NDArray[np.float32], window: Triple, fill: Fill) -> tuple[NDArray[np.float32], Slices]:
    """Give a volume (channel, x, y, z) padded on both sides until a window fits, and where the original lies in it."""
    margins = padding(volume_shape(volume), window)
    inside = [slice(a, a + n) for (a, _), n in zip(margins, volume_shape(volume), strict=True)]
    if any(a or b for a, b in margins):
        channels = zip(volume, np.broadcast_to(fill, len(volume)), strict=True)
        volume = np.stack([np.pad(channel, margins, constant_values=air) for channel, air in channels])
    return volume, (inside[0], inside[1], inside[2])


def pad_mask(mask: NDArray[np.bool_], window: Triple) -> NDArray[np.bool_]:
    """Give a mask (x, y, z) padded as `pad_to_window` pads its volume."""
    margins = padding((mask.shape[0], mask.shape[1], mask.shape[2]), window)
    return np.pad(mask, margins) if any(a or b for a, b in margins) else mask


def windows_over(
    shape: Triple, window: Triple, stride: Triple, where: NDArray[np.bool_] | None = None, inset: int = 0
) -> list[Slices]:
    """Give where the windows of a volume lie: all, or those that hold a true voxel of `where`.

    With an `inset`, a voxel of `where` counts for those windows only that hold it that many voxels from their edge; at
    the volume's own border, where there is no window that would see more, from the border on. `where` is seen by
    at least one window everywhere as long as the stride is not larger than what is left of a window.
    """
    return holding([_place(start, window) for start in window_grid(shape, window, stride)], shape, where, inset)


def chessboard(shape: Triple, window: Triple, stride: Triple) -> tuple[list[Slices], list[Slices]]:
    """Deal the windows of a volume into black and white ones: those that touch with a face have different colors."""
    axes = [enumerate(window_starts(n, w, s)) for n, w, s in zip(shape, window, stride, strict=True)]
    colors: tuple[list[Slices], list[Slices]] = ([], [])
    for (i, x), (j, y), (k, z) in product(*axes):
        colors[(i + j + k) % 2].append(_place((x, y, z), window))
    return colors


def holding(places: Sequence[Slices], shape: Triple, where: NDArray[np.bool_] | None, inset: int = 0) -> list[Slices]:
    """Give those of some windows that hold a true voxel of `where`, as `windows_over` says; all of them without it."""
    return [place for place in places if where is None or where[_inner(place, shape, inset)].any()]


def sliding_patches(
    volume: NDArray[np.float32], places: Sequence[Slices], batch_size: int
) -> Iterator[tuple[Sequence[Slices], NDArray[np.float32]]]:
    """Yield windows of a volume (channel, x, y, z) in batches: where each lies, and (batch, channel, x, y, z)."""
    for first in range(0, len(places), batch_size):
        batch = places[first : first + batch_size]
        yield batch, np.stack([volume[(slice(None), *place)] for place in batch])


def volume_shape(volume: NDArray[np.float32]) -> Triple:
    """Give the voxels along the axes of a volume (channel, x, y, z)."""
    return volume.shape[1], volume.shape[2], volume.shape[3]


def _place(start: Triple, window: Triple) -> Slices:
    (x, y, z), (wx, wy, wz) = start, window
    return slice(x, x + wx), slice(y, y + wy), slice(z, z + wz)


def _inner(place: Slices, shape: Triple, inset: int) -> Slices:
    x, y, z = (
        slice(s.start + inset * (s.start > 0), s.stop - inset * (s.stop < n)) for s, n in zip(place, shape, strict=True)
    )
    return x, y, z
