"""The receiver operating characteristic of a score."""

from collections.abc import Sequence

import numpy as np


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
