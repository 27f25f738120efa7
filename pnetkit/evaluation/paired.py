"""Compare two methods on the same cases: rates, areas under the curve, overlaps, and many of these at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pnetkit.evaluation.rates import wilson_rate
from pnetkit.evaluation.roc import placements


@dataclass(frozen=True, slots=True)
class Difference:
    """Hold second minus first: the estimate, its confidence interval, and the p-value of no difference.

    None stands where there is nothing to estimate from: no cases, or no variance.
    """

    value: float | None
    low: float | None
    high: float | None
    p_value: float | None


def rate_difference(first: Sequence[bool], second: Sequence[bool], *, confidence: float = 0.95) -> Difference:
    """Compare how often two methods are right about the same cases.

    Newcombe's square-and-add interval for paired proportions (Newcombe 1998, "Improved confidence intervals for the
    difference between binomial proportions based on paired data", method 10), and the exact McNemar test: the binomial
    test of the cases that only one of them has right.
    """
    from scipy.stats import binomtest  # noqa: PLC0415  # slow to import

    both, only_first, only_second, neither = discordance(first, second)
    n = both + only_first + only_second + neither
    if n == 0:
        return Difference(None, None, None, None)
    one = wilson_rate(both + only_first, n, confidence=confidence)
    two = wilson_rate(both + only_second, n, confidence=confidence)
    (p1, l1, u1), (p2, l2, u2) = ((_known(r.value), _known(r.low), _known(r.high)) for r in (one, two))
    correlation = _correlation(both, only_first, only_second, neither)
    below, above = (p2 - l2, u1 - p1), (u2 - p2, p1 - l1)
    low, high = (math.sqrt(max(a * a - 2 * correlation * a * b + b * b, 0.0)) for a, b in (below, above))
    discordant = only_first + only_second
    p_value = float(binomtest(only_second, discordant, 0.5).pvalue) if discordant else 1.0
    return Difference(p2 - p1, p2 - p1 - low, p2 - p1 + high, p_value)


def discordance(first: Sequence[bool], second: Sequence[bool]) -> tuple[int, int, int, int]:
    """Count cases that both have right, only the first, only the second, neither."""
    pairs = list(zip(first, second, strict=True))
    both, only_first, only_second = (pairs.count(kind) for kind in ((True, True), (True, False), (False, True)))
    return both, only_first, only_second, len(pairs) - both - only_first - only_second


def auc_difference(
    first: Sequence[float], second: Sequence[float], abnormal: Sequence[bool], *, confidence: float = 0.95
) -> Difference:
    """Compare two areas under the ROC curve of the same cases (DeLong, DeLong and Clarke-Pearson 1988).

    Structural components come from midranks (Sun and Xu 2014). Without variance (two perfect scores) there is no
    interval and no p-value; with fewer than two abnormal or two normal cases there is no covariance either.
    """
    from scipy.stats import norm  # noqa: PLC0415  # slow to import

    labels = np.asarray(abnormal, dtype=bool)
    scores = np.array([first, second], dtype=np.float64)
    positives, negatives = scores[:, labels], scores[:, ~labels]
    m, n = positives.shape[1], negatives.shape[1]
    if not m or not n:
        return Difference(None, None, None, None)
    (one_up, one_down), (two_up, two_down) = (placements(p, q) for p, q in zip(positives, negatives, strict=True))
    value = float(two_up.mean() - one_up.mean())
    if min(m, n) < 2:  # noqa: PLR2004
        return Difference(value, None, None, None)
    variance = float((two_up - one_up).var(ddof=1)) / m + float((two_down - one_down).var(ddof=1)) / n
    if variance <= 0:
        return Difference(value, None, None, None)
    deviation = math.sqrt(variance)
    reach = float(norm.ppf(0.5 + confidence / 2)) * deviation
    return Difference(
        value, max(value - reach, -1.0), min(value + reach, 1.0), 2 * float(norm.sf(abs(value) / deviation))
    )


def signed_rank(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Give the p-value of Wilcoxon's signed-rank test of paired values, ties at zero dropped; None of no difference."""
    from scipy.stats import wilcoxon  # noqa: PLC0415  # slow to import

    differences = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    differences = differences[differences != 0]
    return float(wilcoxon(differences).pvalue) if differences.size else None


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust the p-values of a family for their number (Holm 1979); those that are None are no members of it."""
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    worst = 0.0
    for rank, (p, index) in enumerate(known):
        worst = max(worst, min(p * (len(known) - rank), 1.0))
        adjusted[index] = worst
    return adjusted


def _correlation(both: int, only_first: int, only_second: int, neither: int) -> float:
    """Give Newcombe's phi, shrunk by half a case where it is positive."""
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    if margins == 0:
        return 0.0
    cross = float(both * neither - only_first * only_second)
    if cross > 0:
        cross = max(cross - (both + only_first + only_second + neither) / 2, 0.0)
    return cross / math.sqrt(margins)


def _known(value: float | None) -> float:
    if value is None:
        raise ValueError("a rate of some cases has a value")
    return value
