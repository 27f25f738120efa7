"""Walk over a volume window by window: pad what is too small, cut patches in batches, cut the result back."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pnetkit.inference.windows import padding, window_grid
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


def sliding_patches(
    volume: NDArray[np.float32], window: Triple, stride: Triple, batch_size: int
) -> Iterator[tuple[list[Slices], NDArray[np.float32]]]:
    """Yield the windows of a volume (channel, x, y, z) in batches: where each lies, and (batch, channel, x, y, z)."""
    starts = window_grid(volume_shape(volume), window, stride)
    for first in range(0, len(starts), batch_size):
        places = [_place(start, window) for start in starts[first : first + batch_size]]
        yield places, np.stack([volume[(slice(None), *place)] for place in places])


def volume_shape(volume: NDArray[np.float32]) -> Triple:
    """Give the voxels along the axes of a volume (channel, x, y, z)."""
    return volume.shape[1], volume.shape[2], volume.shape[3]


def _place(start: Triple, window: Triple) -> Slices:
    (x, y, z), (wx, wy, wz) = start, window
    return slice(x, x + wx), slice(y, y + wy), slice(z, z + wz)
