"""Walk over a volume window by window: pad what is too small, cut patches in batches, cut the result back."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from pnetkit.ahead import made_ahead
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
    if where is None:
        return list(places)
    known: list[dict[tuple[int, int], int]] = []
    held = where
    for axis in range(3):  # windows of a grid share their edges: each slab is looked through once, not once a window
        edges = sorted({(place[axis].start, place[axis].stop) for place in places})
        known.append({edge: i for i, edge in enumerate(edges)})
        of_slab = np.empty((*held.shape[:axis], len(edges), *held.shape[axis + 1 :]), dtype=bool)
        into, looked = np.moveaxis(of_slab, axis, 0), np.moveaxis(held, axis, 0)
        for i, (start, stop) in enumerate(edges):
            first, last = start + inset * (start > 0), stop - inset * (stop < shape[axis])
            np.any(looked[first:last], axis=0, out=into[i])
        held = of_slab
    x_of, y_of, z_of = known
    return [
        place
        for place in places
        if held[
            x_of[place[0].start, place[0].stop],
            y_of[place[1].start, place[1].stop],
            z_of[place[2].start, place[2].stop],
        ]
    ]


def sliding_patches(
    volume: NDArray[np.float32], places: Sequence[Slices], batch_size: int, *, ahead: bool = False
) -> Iterator[tuple[Sequence[Slices], NDArray[np.float32]]]:
    """Yield windows of a volume (channel, x, y, z) in batches: where each lies, and (batch, channel, x, y, z).

    A last window that would be alone joins the batch before it, because a lone one may be computed otherwise
    (`predictors.py`). With `ahead` the next batch is cut out in a thread while the one that was yielded is in use.
    """

    def cut(batch: Sequence[Slices]) -> NDArray[np.float32]:
        return np.stack([volume[(slice(None), *place)] for place in batch])

    starts = list(range(0, len(places), batch_size))
    if batch_size > 1 and len(starts) > 1 and len(places) - starts[-1] == 1:
        starts.pop()
    batches = [places[first:then] for first, then in pairwise([*starts, len(places)])]
    with closing(made_ahead(cut, batches, threads=int(ahead))) as coming:
        for batch, patches in coming:
            yield batch, patches()


def volume_shape(volume: NDArray[np.float32]) -> Triple:
    """Give the voxels along the axes of a volume (channel, x, y, z)."""
    return volume.shape[1], volume.shape[2], volume.shape[3]


def _place(start: Triple, window: Triple) -> Slices:
    (x, y, z), (wx, wy, wz) = start, window
    return slice(x, x + wx), slice(y, y + wy), slice(z, z + wz)
