"""Turn Hounsfield units into what a network sees: clip to a window, then standardize.

Defaults: the window [-100, 240] HU of the paper's group's public code (OrganSegC2F), then zero mean and unit variance
over the clipped volume of each case; the paper itself states neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Normalization = Literal["z-score", "unit", "none", "fixed"]


@dataclass(frozen=True, slots=True)
class Intensity:
    """Say how HU become network input: `(clip(hu, low_hu, high_hu) - shift) / scale`.

    Both `shift` and `scale` are of one case: made by `fit_intensity`, kept with the case, used for each of its patches.
    """

    low_hu: float
    high_hu: float
    shift: float
    scale: float

    def apply(self, hu: NDArray[np.generic]) -> NDArray[np.float32]:
        """Give the network's input for any part of the case's volume; float32 of the same shape."""
        clipped = np.clip(hu.astype(np.float32), np.float32(self.low_hu), np.float32(self.high_hu))
        clipped -= np.float32(self.shift)
        clipped *= np.float32(1 / self.scale)
        return clipped

    @property
    def air(self) -> float:
        """Give the input value of air, with which volumes are padded."""
        return float(self.apply(np.array([self.low_hu]))[0])


def fit_intensity(
    hu: NDArray[np.float32],
    *,
    window_hu: tuple[float, float],
    normalization: Normalization,
    fixed_hu: tuple[float, float] = (0.0, 1.0),
) -> Intensity:
    """Find shift and scale for one case.

    `z-score` takes mean and standard deviation of the clipped volume (a constant volume gets scale 1), `unit` maps the
    window to [0, 1], `none` leaves clipped HU, `fixed` takes mean and standard deviation of `fixed_hu` for every case.
    """
    low, high = window_hu
    if normalization == "fixed":
        return Intensity(low, high, *fixed_hu)
    if normalization == "none":
        return Intensity(low, high, 0.0, 1.0)
    if normalization == "unit":
        return Intensity(low, high, low, high - low)
    clipped = np.clip(hu, np.float32(low), np.float32(high))
    mean = float(clipped.mean(dtype=np.float64))
    deviation = float(np.sqrt(np.mean((clipped - np.float32(mean)) ** 2, dtype=np.float64)))
    return Intensity(low, high, mean, deviation if deviation > 0 else 1.0)


def normalization_in_words(settings: Mapping[str, Any]) -> str:
    """Say how a recipe's `intensity` section normalizes."""
    how = str(settings.get("normalization", "z-score"))
    if how != "fixed":
        return how
    return f"fixed: mean {settings['mean_hu']:g} HU, deviation {settings['deviation_hu']:g} HU"
