"""Let overlapping windows vote on the label of each voxel.

Every window gives one hard label per voxel; the label with the most votes wins, the lowest one on a tie, as in the
released code of the paper's ancestor (HeartSeg, `patches2Img_vote.m`). Votes are whole numbers, so neither the order of
the windows nor the size of the batches can change the result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.inference.sliding import Fill, pad_mask, pad_to_window, sliding_patches, volume_shape, windows_over
from pnetkit.inference.windows import most_votes
from pnetkit.types import Triple

Predictor = Callable[[NDArray[np.float32]], NDArray[np.uint8]]
"""Takes patches (batch, channel, x, y, z) and gives their labels (batch, x, y, z)."""


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """Hold the outcome of a vote.

    `labels` (x, y, z) uint8; `votes` counts the windows that chose the winning label, `voters` those that saw it: both
    are 0 where nobody was asked. `windows` were run.
    """

    labels: NDArray[np.uint8]
    votes: NDArray[np.unsignedinteger[Any]]
    voters: NDArray[np.unsignedinteger[Any]]
    windows: int


def vote(
    predict: Predictor,
    volume: NDArray[np.float32],
    *,
    num_classes: int,
    window: Triple,
    stride: Triple,
    batch_size: int,
    fill: Fill,
    where: NDArray[np.bool_] | None = None,
) -> Votes:
    """Slide windows over a volume (channel, x, y, z) and take the majority label of each voxel.

    A volume smaller than a window is padded with `fill` on both sides, and the result cut back. What is not in `where`
    (x, y, z) is background; windows that hold nothing of it are not run, which changes no label inside. Counters are
    the smallest unsigned integers that cannot overflow, bytes at the paper's window and stride, and lie over the box of
    the windows alone.
    """
    volume, inside = pad_to_window(volume, window, fill)
    shape = volume_shape(volume)
    asked = None if where is None else pad_mask(where, window)
    windows = windows_over(shape, window, stride, asked)
    dtype = np.min_scalar_type(most_votes(shape, window, stride))
    found = [np.zeros(shape, dtype=d) for d in (np.uint8, dtype, dtype)]
    if windows:
        start = [min(place[axis].start for place in windows) for axis in range(3)]
        stop = [max(place[axis].stop for place in windows) for axis in range(3)]
        counts = np.zeros((num_classes, *(b - a for a, b in zip(start, stop, strict=True))), dtype=dtype)
        for places, patches in sliding_patches(volume, windows, batch_size):
            for place, labels in zip(places, predict(patches), strict=True):
                x, y, z = (slice(s.start - a, s.stop - a) for s, a in zip(place, start, strict=True))
                counter = counts[:, x, y, z]
                for label in range(num_classes):
                    counter[label] += labels == label
        for i in range(start[0], stop[0]):  # slice by slice: what comes between is as large as the counters
            _decide(counts[:, i - start[0]], [array[i, start[1] : stop[1], start[2] : stop[2]] for array in found])
    if asked is not None:
        for array in found:
            array[~asked] = 0
    labels, votes, voters = (array[inside] for array in found)
    return Votes(labels, votes, voters, len(windows))


def _decide(counts: NDArray[Any], into: list[NDArray[Any]]) -> None:
    """Write winner, its votes and the voters of one slice of counters (class, y, z)."""
    labels, votes, voters = into
    labels[...] = counts.argmax(axis=0)  # the first of equal counts, so the lowest label
    votes[...] = counts.max(axis=0)
    voters[...] = counts.sum(axis=0, dtype=counts.dtype)
