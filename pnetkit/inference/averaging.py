"""Average the windows' class probabilities instead of letting them vote: the ablation of the paper's vote."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pnetkit.inference.sliding import (
    Fill,
    Slices,
    pad_mask,
    pad_to_window,
    sliding_patches,
    volume_shape,
    windows_over,
)
from pnetkit.types import Triple

ProbabilityPredictor = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Takes patches (batch, channel, x, y, z) and gives their probabilities (batch, class, x, y, z)."""


WindowWeights = Literal["uniform", "gaussian"]
"""What a voxel of a window weighs in the mean: as all others, or less towards the edge, where a network sees less."""

SIGMA, LEAST_WEIGHT = 1 / 8, 1e-3
"""Deviation of the Gaussian in edges of the window, and what a voxel weighs at the least: as in MONAI."""

NNUNETS_LEAST = 2.0**-24 / 10
"""What one weighs at the least in nnU-Net: the smallest number in half precision, of weights up to 10."""


def gaussian_weights(window: Triple, center: Triple | None = None) -> NDArray[np.float64]:
    """Give the weight of each voxel of a window (x, y, z): 1 in the middle, at the corners `LEAST_WEIGHT`.

    With a `center` it is 1 there, and falls to `NNUNETS_LEAST`, as nnU-Net's does.
    """
    highest = [(n - 1) / 2 for n in window] if center is None else center
    along = [np.exp(-(((np.arange(n) - at) / (SIGMA * n)) ** 2) / 2) for n, at in zip(window, highest, strict=True)]
    least = LEAST_WEIGHT if center is None else NNUNETS_LEAST
    weights: NDArray[np.float64] = np.maximum(functools.reduce(np.multiply.outer, along), least)
    return weights


def mean_labels(
    predict: ProbabilityPredictor,
    volume: NDArray[np.float32],
    *,
    num_classes: int,
    window: Triple,
    stride: Triple,
    batch_size: int,
    fill: Fill,
    where: NDArray[np.bool_] | None = None,
    windows: Sequence[Slices] | None = None,
    weights: WindowWeights = "uniform",
) -> NDArray[np.uint8]:
    """Slide windows over a volume (channel, x, y, z) and give each voxel the label of the largest mean probability.

    The lowest label wins a tie. What is not in `where` is background.
    """
    how: dict[str, Any] = {
        "num_classes": num_classes,
        "window": window,
        "stride": stride,
        "batch_size": batch_size,
        "fill": fill,
    }
    return labels_of(probability_sums(predict, volume, **how, where=where, windows=windows, weights=weights))


def labels_of(sums: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Give the class of the largest sum (class, x, y, z), the lowest one on a tie."""
    labels: NDArray[np.uint8] = sums.argmax(axis=0).astype(np.uint8)
    return labels


def softmax_of_means(predict: ProbabilityPredictor, volume: NDArray[np.float32], **how: Any) -> NDArray[np.float64]:
    """Give the probability of each class (class, x, y, z) by its mean logit; 0 where no window looked.

    `predict` gives logits; `how` is that of `probability_sums`.
    """

    def counted(patches: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = predict(patches)
        return np.concatenate([logits, np.ones_like(logits[:, :1])], axis=1)  # adds the windows' weights up beside them

    sums = probability_sums(counted, volume, **(how | {"num_classes": how["num_classes"] + 1}))
    shares, total = sums[:-1], sums[-1]
    np.divide(shares, total, out=shares, where=total > 0)  # in place: a CT's are gigabytes
    shares -= shares.max(axis=0)
    np.exp(shares, out=shares)
    shares /= shares.sum(axis=0)
    shares[:, total == 0] = 0
    return shares


def probability_sums(  # noqa: PLR0913  # by keyword, each of them one thing
    predict: ProbabilityPredictor,
    volume: NDArray[np.float32],
    *,
    num_classes: int,
    window: Triple,
    stride: Triple,
    batch_size: int,
    fill: Fill,
    where: NDArray[np.bool_] | None = None,
    windows: Sequence[Slices] | None = None,
    weights: WindowWeights = "uniform",
    center: Triple | None = None,
) -> NDArray[np.float64]:
    """Slide windows over a volume (channel, x, y, z) and add their probabilities, or logits (class, x, y, z), up.

    A Gaussian is highest in the middle of a window, or in the voxel `center` (`gaussian_weights`).
    Windows are added in a fixed order in float64. Small volumes are padded with `fill`. What is not in `where` gets 0,
    and windows that hold nothing of it are not run; or `windows` are, where they are given: some of the grid of the
    padded volume.
    """
    volume, inside = pad_to_window(volume, window, fill)
    sums = np.zeros((num_classes, *volume_shape(volume)), dtype=np.float64)
    weighed = gaussian_weights(window, center) if weights == "gaussian" else None
    if windows is None:
        padded = None if where is None else pad_mask(where, window)
        windows = windows_over(volume_shape(volume), window, stride, padded)
    for places, patches in sliding_patches(volume, windows, batch_size):
        for place, probabilities in zip(places, predict(patches), strict=True):
            sums[(slice(None), *place)] += probabilities if weighed is None else probabilities * weighed
    result = sums[(slice(None), *inside)]
    if where is not None:
        result[:, ~where] = 0
    return result
