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
    members = [np.array(group, dtype=np.int64) for group in groups.values()]
    if len(members) < 2:  # noqa: PLR2004
        return None
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        drawn = rng.integers(len(members), size=len(members))
        value = statistic(np.concatenate([members[i] for i in drawn]))
        if value is not None:
            values.append(value)
    if 2 * len(values) < resamples:
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
