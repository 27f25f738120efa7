"""Look at each window mirrored along every set of axes, and average what the network says: test-time augmentation.

A network that was trained on mirrored patches has learned to answer all eight views; their mean errs less than each of
them. What follows, a vote or a mean of windows, gets one answer of a window as before.
"""

from collections.abc import Callable
from itertools import chain, combinations

import torch
from torch import Tensor

AXES = (2, 3, 4)
"""The axes of patches (batch, channel, x, y, z) that are mirrored: all that training mirrors."""

VIEWS: tuple[tuple[int, ...], ...] = tuple(chain.from_iterable(combinations(AXES, n) for n in range(len(AXES) + 1)))
"""The sets of axes, that of none first; a window is run once for each."""


def mean_probabilities(logits_of: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Give the mean over all views of the probability of each class (batch, class, x, y, z) float32."""
    return _mean(lambda seen: logits_of(seen).float().softmax(dim=1), x)


def mean_logits(logits_of: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Give the mean over all views of the logit of each class (batch, class, x, y, z) float32, as nnU-Net does."""
    return _mean(lambda seen: logits_of(seen).float(), x)


def _mean(answer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    total = answer(x)
    for axes in VIEWS[1:]:
        total = total + torch.flip(answer(torch.flip(x, axes)), axes)
    return total / len(VIEWS)
