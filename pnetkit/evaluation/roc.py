"""The receiver operating characteristic of a score."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def auc(scores: Sequence[float], abnormal: Sequence[bool]) -> float | None:
    """Give the area under the ROC curve: how often an abnormal case scores above a normal one, ties counting half.

    None when one of the two groups is empty. Computed from midranks (Mann-Whitney).
    """
    values, labels = np.asarray(scores, dtype=np.float64), np.asarray(abnormal, dtype=bool)
    if values.shape != labels.shape:
        raise ValueError(f"{values.size} scores for {labels.size} cases")
    positives = int(labels.sum())
    negatives = labels.size - positives
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    midranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((midranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auc_interval(
    scores: NDArray[np.float64], abnormal: NDArray[np.bool_], *, confidence: float = 0.95
) -> tuple[float, float] | None:
    """Give DeLong's interval of the area under the ROC curve, cut to [0, 1].

    None with fewer than two cases of a group, and where the scores leave no variance (a perfect score).
    """
    from scipy.stats import norm  # noqa: PLC0415  # slow to import

    of_positives, of_negatives = placements(scores[abnormal], scores[~abnormal])
    if min(of_positives.size, of_negatives.size) < 2:  # noqa: PLR2004
        return None
    variance = float(of_positives.var(ddof=1)) / of_positives.size + float(of_negatives.var(ddof=1)) / of_negatives.size
    if variance <= 0:
        return None
    area, reach = float(of_positives.mean()), float(norm.ppf(0.5 + confidence / 2)) * math.sqrt(variance)
    return max(area - reach, 0.0), min(area + reach, 1.0)


def sensitivity_at(scores: NDArray[np.float64], abnormal: NDArray[np.bool_], *, specificity: float) -> float | None:
    """Give the largest sensitivity of any threshold on the score that has at least this specificity.

    None when one of the two groups is empty.
    """
    positives, negatives = scores[abnormal], scores[~abnormal]
    if not positives.size or not negatives.size:
        return None
    allowed = math.floor((1 - specificity) * negatives.size + 1e-9)  # normal cases that may be called abnormal
    if allowed >= negatives.size:
        return 1.0
    place = negatives.size - allowed - 1
    limit = np.partition(negatives, place)[place]  # the threshold lies just above this normal case
    return float((positives > limit).mean())


def placements(
    positives: NDArray[np.float64], negatives: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give for each positive the share of negatives below it, for each negative that of positives above; ties half.

    These are DeLong's structural components (DeLong, DeLong and Clarke-Pearson 1988); both means are the area.
    """
    if not positives.size or not negatives.size:
        return np.zeros(0), np.zeros(0)
    ordered, reverse = np.sort(negatives), np.sort(positives)
    below = (np.searchsorted(ordered, positives, "left") + np.searchsorted(ordered, positives, "right")) / 2
    under = (np.searchsorted(reverse, negatives, "left") + np.searchsorted(reverse, negatives, "right")) / 2
    return below / negatives.size, 1 - under / positives.size
