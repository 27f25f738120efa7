"""Average the windows' class probabilities instead of letting them vote: the ablation of the paper's vote."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pnetkit.inference.voting import batches, window_at
from pnetkit.inference.windows import padding, window_grid
from pnetkit.types import Triple

ProbabilityPredictor = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Takes patches (batch, channel, x, y, z) and gives their probabilities (batch, class, x, y, z)."""


def mean_labels(
    predict: ProbabilityPredictor,
    volume: NDArray[np.float32],
    *,
    num_classes: int,
    window: Triple,
    stride: Triple,
    batch_size: int,
    fill: float,
) -> NDArray[np.uint8]:
    """Slide windows over a volume (channel, x, y, z) and give each voxel the label of the largest mean probability.

    Windows are added in a fixed order in float64; the lowest label wins a tie. Small volumes are padded with `fill`.
    """
    shape = (volume.shape[1], volume.shape[2], volume.shape[3])
    margins = padding(shape, window)
    if any(a or b for a, b in margins):
        volume = np.pad(volume, ((0, 0), *margins), constant_values=fill)
    padded = (volume.shape[1], volume.shape[2], volume.shape[3])
    sums = np.zeros((num_classes, *padded), dtype=np.float64)
    for starts in batches(window_grid(padded, window, stride), batch_size):
        patches = np.stack([volume[(slice(None), *window_at(start, window))] for start in starts])
        for start, probabilities in zip(starts, predict(patches), strict=True):
            sums[(slice(None), *window_at(start, window))] += probabilities
    inside = tuple(slice(a, a + n) for (a, _), n in zip(margins, shape, strict=True))
    labels: NDArray[np.uint8] = sums[(slice(None), *inside)].argmax(axis=0).astype(np.uint8)
    return labels
