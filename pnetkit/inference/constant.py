"""Answer windows that are constant once: air around a patient, a reconstruction circle's corners, clipped values."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pnetkit.inference.voting import Predictor

Values = tuple[float, ...]


def remembering(predict: Predictor) -> Predictor:
    """Give a predictor that runs windows with one value in each channel once, and every other window as before.

    A network in evaluation mode answers the same window with the same labels, so nothing changes but the time.
    """
    known: dict[Values, Tensor] = {}

    def labels(patches: NDArray[np.float32]) -> Tensor:
        values = [_constant(patch) for patch in patches]
        asked = [i for i, value in enumerate(values) if value is None]
        asked += list({value: i for i, value in enumerate(values) if value is not None and value not in known}.values())
        if len(asked) == len(patches) and not any(values):
            return predict(patches)
        answers = dict(zip(asked, predict(patches[asked]), strict=True)) if asked else {}
        known.update({value: answers[i] for i, value in enumerate(values) if value is not None and i in answers})
        return torch.stack([answers[i] if value is None else known[value] for i, value in enumerate(values)])

    return labels


def _constant(patch: NDArray[np.float32]) -> Values | None:
    """Give the value of each channel of a patch (channel, x, y, z), or None where one holds several."""
    first = patch[:, :1, :1, :1]
    if not (patch[:, :, 0, 0] == first[:, :, 0, 0]).all():  # most patches differ in their first line already
        return None
    return tuple(float(value) for value in first[:, 0, 0, 0]) if (patch == first).all() else None
