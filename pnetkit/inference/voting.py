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

from pnetkit.inference.sliding import Fill, pad_to_window, sliding_patches, volume_shape
from pnetkit.inference.windows import most_votes
from pnetkit.types import Triple

Predictor = Callable[[NDArray[np.float32]], NDArray[np.uint8]]
"""Takes patches (batch, channel, x, y, z) and gives their labels (batch, x, y, z)."""


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """Hold the outcome of a vote.

    `labels` (x, y, z) uint8; `votes` counts the windows that chose the winning label, `voters` those that saw it.
    """

    labels: NDArray[np.uint8]
    votes: NDArray[np.unsignedinteger[Any]]
    voters: NDArray[np.unsignedinteger[Any]]


def vote(
    predict: Predictor,
    volume: NDArray[np.float32],
    *,
    num_classes: int,
    window: Triple,
    stride: Triple,
    batch_size: int,
    fill: Fill,
) -> Votes:
    """Slide windows over a volume (channel, x, y, z) and take the majority label of each voxel.

    A volume smaller than a window is padded with `fill` on both sides, and the result cut back. Counters are the
    smallest unsigned integers that cannot overflow: bytes at the paper's window and stride.
    """
    volume, inside = pad_to_window(volume, window, fill)
    shape = volume_shape(volume)
    dtype = np.min_scalar_type(most_votes(shape, window, stride))
    counts = np.zeros((num_classes, *shape), dtype=dtype)
    for places, patches in sliding_patches(volume, window, stride, batch_size):
        for place, labels in zip(places, predict(patches), strict=True):
            counter = counts[(slice(None), *place)]
            for label in range(num_classes):
                counter[label] += labels == label
    counts = counts[(slice(None), *inside)]
    labels = counts.argmax(axis=0).astype(np.uint8)  # the first of equal counts, so the lowest label
    return Votes(labels, counts.max(axis=0), counts.sum(axis=0, dtype=dtype))
