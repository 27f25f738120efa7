"""Logistic regression with an L2 penalty, solved by Newton's method: to the last digits, and without randomness."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pnetkit.errors import TrainingError

Floats = NDArray[np.float64]

MOST_STEPS = 100
"""Newton's method takes some ten; after so many it is not going to get there."""

TOLERANCE = 1e-10
"""The largest component of the gradient, for each case, that counts as none."""


@dataclass(frozen=True, slots=True)
class Regression:
    """Hold what was fitted: the logit of `abnormal` is `intercept` plus the features times `weights`."""

    weights: tuple[float, ...]
    intercept: float


def fit_regression(features: Floats, abnormal: NDArray[np.bool_], *, l2: float) -> Regression:
    """Minimize the sum of the cases' log losses and l2 / 2 times the squared weights; the intercept is not penalized.

    `features` is (cases, features). Both values of `abnormal` have to occur, `l2` has to be positive: then there is one
    minimum. Raises TrainingError where it is not found.
    """
    x = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    y = abnormal.astype(np.float64)
    penalty = np.full(x.shape[1], l2)
    penalty[-1] = 0.0
    at = np.zeros(x.shape[1])
    for _ in range(MOST_STEPS):
        probability = _sigmoid(_logits(x, at))
        gradient = np.einsum("cf,c->f", x, probability - y) + penalty * at
        if float(np.abs(gradient).max()) <= TOLERANCE * len(x):
            return Regression(tuple(at[:-1].tolist()), float(at[-1]))
        curvature = np.einsum("cf,c,cg->fg", x, probability * (1 - probability), x) + np.diag(penalty)
        try:
            step = np.linalg.solve(curvature, gradient)
        except np.linalg.LinAlgError:  # every case so certain that the intercept's curvature is lost
            break
        at = _descended(x, y, penalty, at, step, float(gradient @ step))
    raise TrainingError(
        f"The logistic fusion found no minimum for {len(x)} cases within {MOST_STEPS} steps. Raise its l2 (now {l2:g})."
    )


def _descended(x: Floats, y: Floats, penalty: Floats, at: Floats, step: Floats, slope: float) -> Floats:
    """Go Newton's step, or a half, a quarter, … of it until the loss falls; far from the minimum it may overshoot."""
    before = _loss(x, y, penalty, at)
    size = 1.0
    while size > 2.0**-40 and _loss(x, y, penalty, at - size * step) > before - 1e-4 * size * slope + 1e-12 * before:
        size /= 2
    return at - size * step


def _loss(x: Floats, y: Floats, penalty: Floats, at: Floats) -> float:
    logits = _logits(x, at)
    return float((np.logaddexp(0, logits) - y * logits).sum() + 0.5 * (penalty * at**2).sum())


def _logits(x: Floats, at: Floats) -> Floats:
    logits: Floats = np.einsum("cf,f->c", x, at)  # not @: the sum of a BLAS may depend on its threads
    return logits


def _sigmoid(logits: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(0.5 * logits))  # does not overflow
