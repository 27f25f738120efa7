"""Intervals by resampling patients, for figures that have no closed form."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
"""Draws of the cohort: enough for two digits of a 95 % interval."""


def bootstrap_interval(
    statistic: Callable[[NDArray[np.int64]], float | None],
    patients: Sequence[int],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
) -> tuple[float, float] | None:
    """Give the percentile interval of a statistic over patients drawn with replacement.

    `statistic` is given indices of cases (repeated as drawn) and may answer None, as when a draw has no abnormal case;
    such draws are left out. `patients` names each case's patient by a number: all cases of one are drawn together. None
    when fewer than half of the draws have a value, or all cases are of one patient, who cannot be drawn otherwise.
    """
    groups: dict[int, list[int]] = {}
    for index, patient in enumerate(patients):
        groups.setdefault(patient, []).append(index)
    if len(groups) < 2:  # noqa: PLR2004
        return None
    cases = np.array([index for group in groups.values() for index in group], dtype=np.int64)
    sizes = np.array([len(group) for group in groups.values()], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    one_each = len(cases) == len(sizes)
    values = []
    for drawn in np.random.default_rng(seed).integers(len(sizes), size=(resamples, len(sizes))):
        value = statistic(cases[drawn if one_each else _runs(starts[drawn], sizes[drawn])])
        if value is not None:
            values.append(value)
    if 2 * len(values) < resamples:
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _runs(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the numbers of some runs of given lengths, one run after the other."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))
