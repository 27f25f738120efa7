"""How well probabilities of cases agree with what the cases are: Brier score, reliability bins, calibration errors.

Asked only of numbers that say that they are probabilities (`docs/plugins.md`): a score in voxels, or in units of a
threshold, has no calibration.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 10
"""Reliability bins of equal width from 0 to 1; a probability at an edge is in the upper one, 1 in the last."""

CLIPPED = 1e-6
"""Probabilities nearer to 0 or 1 are taken to be this far from it where their logit is asked for."""

MOST_STEPS = 100
"""Of Newton's method, which needs about ten where there is an answer."""

LARGEST_SLOPE = 1e3
"""Beyond it the groups are told apart by every threshold, and there is no slope."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Hold one reliability bin: its edges, its cases, how many of them are abnormal, and their mean probability."""

    low: float
    high: float
    cases: int
    abnormal: int
    mean: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Hold the calibration of the probabilities of `cases` of known diagnosis.

    `brier` is the mean squared distance from the diagnosis (0 or 1). `expected_error` is the mean over cases of the
    distance between a bin's mean probability and its share of abnormal cases. `slope` is that of a logistic regression
    of the diagnosis on the probability's logit (1 is right, below 1 too extreme); `intercept` is what has to be added
    to all logits to meet the number of abnormal cases (0 is right, below 0 too high). The last two are None without
    both diagnoses, and the slope where no regression has one.
    """

    cases: int
    brier: float
    expected_error: float
    slope: float | None
    intercept: float | None
    bins: tuple[Bin, ...]


def calibration(probabilities: Sequence[float], abnormal: Sequence[bool]) -> Calibration | None:
    """Compute the calibration of probabilities; None of no case.

    Raises ValueError for what lies outside of 0 to 1, and for other numbers of probabilities than of cases.
    """
    values, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(abnormal, dtype=bool)
    if values.shape != truth.shape:
        raise ValueError(f"{values.size} probabilities for {truth.size} cases")
    if values.size == 0:
        return None
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise ValueError(f"a probability lies from 0 to 1, got {values.min()} to {values.max()}")
    bins = reliability_bins(values, truth)
    error = sum(abs(of.cases * of.mean - of.abnormal) for of in bins) / values.size
    slope, intercept = _logistic(values, truth)
    return Calibration(int(values.size), brier(values, truth), float(error), slope, intercept, bins)


def brier(probabilities: NDArray[np.float64], abnormal: NDArray[np.bool_]) -> float:
    """Give the mean squared distance of probabilities from the diagnosis, of one case and more."""
    return float(np.square(probabilities - abnormal).mean())


def reliability_bins(probabilities: NDArray[np.float64], abnormal: NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Sort cases into bins by probability; bins without a case are left out."""
    place = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    found = []
    for number in np.unique(place):
        inside = place == number
        low, high = number / BINS, (number + 1) / BINS
        mean = float(probabilities[inside].mean())
        found.append(Bin(float(low), float(high), int(inside.sum()), int(abnormal[inside].sum()), mean))
    return tuple(found)


def _logistic(probabilities: NDArray[np.float64], abnormal: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """Give Cox's slope, and the intercept with the slope held at 1 ("calibration in the large")."""
    if abnormal.all() or not abnormal.any():
        return None, None
    clipped = np.clip(probabilities, CLIPPED, 1 - CLIPPED)
    logits = np.log(clipped) - np.log1p(-clipped)
    ones = np.ones_like(logits)
    both = _fitted(np.column_stack([ones, logits]), np.zeros_like(logits), abnormal)
    alone = _fitted(ones[:, None], logits, abnormal)
    return None if both is None else float(both[1]), None if alone is None else float(alone[0])


def _fitted(
    x: NDArray[np.float64], offset: NDArray[np.float64], abnormal: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """Fit a logistic regression by Newton's method; None where it does not end, as of groups that are kept apart."""
    at = np.zeros(x.shape[1])
    for _ in range(MOST_STEPS):
        expected = 1 / (1 + np.exp(-np.clip(offset + x @ at, -500, 500)))
        curvature = (x * (expected * (1 - expected))[:, None]).T @ x
        try:
            step = np.linalg.solve(curvature, x.T @ (abnormal - expected))
        except np.linalg.LinAlgError:  # all probabilities are equal
            return None
        if not np.isfinite(step).all():
            return None
        length = float(np.abs(step).max())
        at = at + step / max(length / 5, 1)  # a long step may overshoot
        if np.abs(at).max() > LARGEST_SLOPE:
            return None
        if length < 1e-10:  # noqa: PLR2004
            return at if _is_sound(curvature) else None
    return None


def _is_sound(curvature: NDArray[np.float64]) -> bool:
    """Tell whether the data hold the answer: not where every probability has become 0 or 1."""
    smallest, largest = np.linalg.eigvalsh(curvature)[[0, -1]]
    return bool(smallest > 1e-9 * max(largest, 1)) and math.isfinite(largest)
