"""Tests of pnetkit.evaluation.roc."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pnetkit.evaluation.roc import auc, auc_interval, placements, sensitivity_at

# few different scores, so that ties are common
SCORED = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.3, 1.0, 7.5]) | st.floats(0, 1e6), st.booleans()), min_size=2)
BOTH_CLASSES = SCORED.filter(lambda rows: len({abnormal for _, abnormal in rows}) == 2)


def columns(rows):
    return [score for score, _ in rows], [abnormal for _, abnormal in rows]


def arrays(rows):
    scores, abnormal = columns(rows)
    return np.array(scores, np.float64), np.array(abnormal, bool)


@pytest.mark.parametrize(
    ("scores", "abnormal", "expected"),
    [
        ([1.0, 2.0, 3.0, 4.0], [False, False, True, True], 1.0),
        ([4.0, 3.0, 2.0, 1.0], [False, False, True, True], 0.0),
        ([1.0, 1.0, 1.0, 1.0], [False, False, True, True], 0.5),
        ([1.0, 3.0, 2.0, 4.0], [False, False, True, True], 3 / 4),
        ([1.0, 2.0, 2.0, 3.0], [False, False, True, True], 7 / 8),
        ([0.0, 0.0, 5.0], [False, True, False], 1 / 4),
    ],
)
def test_auc_is_the_share_of_pairs_that_are_ranked_right(scores, abnormal, expected):
    assert auc(scores, abnormal) == expected


@settings(deadline=None, max_examples=50)
@given(BOTH_CLASSES)
def test_auc_counts_pairs_one_by_one(rows):
    wins = [(a > n) + (a == n) / 2 for a, x in rows if x for n, y in rows if not y]
    assert auc(*columns(rows)) == pytest.approx(sum(wins) / len(wins), abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(BOTH_CLASSES)
def test_auc_equals_scikit_learn(rows):
    from sklearn.metrics import roc_auc_score  # slow to import

    scores, abnormal = columns(rows)
    assert auc(scores, abnormal) == pytest.approx(roc_auc_score(abnormal, scores), abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(BOTH_CLASSES)
def test_swapping_the_classes_mirrors_the_auc(rows):
    scores, abnormal = columns(rows)
    assert auc(scores, abnormal) == pytest.approx(1 - auc(scores, [not a for a in abnormal]), abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(BOTH_CLASSES)
def test_auc_depends_on_the_order_of_the_scores_alone(rows):
    scores, abnormal = columns(rows)
    ranks = [float(sorted(set(scores)).index(score)) for score in scores]
    assert auc(scores, abnormal) == auc(ranks, abnormal)


@pytest.mark.parametrize(("scores", "abnormal"), [([0.2, 0.7], [True, True]), ([0.2, 0.7], [False, False]), ([], [])])
def test_one_class_alone_has_no_auc(scores, abnormal):
    assert auc(scores, abnormal) is None


def test_different_lengths_are_refused():
    with pytest.raises(ValueError, match="2 scores for 1 cases"):
        auc([0.2, 0.3], [True])


@given(BOTH_CLASSES)
def test_placements_are_the_shares_of_pairs_that_each_case_wins(rows):
    scores, abnormal = arrays(rows)
    positives, negatives = scores[abnormal], scores[~abnormal]
    wins = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    of_positives, of_negatives = placements(positives, negatives)
    assert np.allclose(of_positives, wins.mean(axis=1))
    assert np.allclose(of_negatives, wins.mean(axis=0))


@given(BOTH_CLASSES, st.sampled_from([0.9, 0.95]))
def test_the_interval_of_the_area_is_delong_s_from_all_pairs_and_cut_to_what_an_area_can_be(rows, confidence):
    scores, abnormal = arrays(rows)
    wins = (scores[abnormal][:, None] > scores[~abnormal]) + 0.5 * (scores[abnormal][:, None] == scores[~abnormal])
    found = auc_interval(scores, abnormal, confidence=confidence)
    if min(wins.shape) < 2:
        assert found is None
        return
    variance = np.cov(wins.mean(axis=1)) / wins.shape[0] + np.cov(wins.mean(axis=0)) / wins.shape[1]
    reach = {0.9: 1.6448536, 0.95: 1.9599640}[confidence] * math.sqrt(variance)  # quantiles of a table
    if not variance > 0:
        assert found is None
    else:
        assert found == pytest.approx((max(wins.mean() - reach, 0), min(wins.mean() + reach, 1)), abs=1e-6)


def test_the_interval_of_two_cases_each_by_hand():
    scores, abnormal = np.array([3.0, 1.0, 2.0, 0.0]), np.array([True, True, False, False])
    # positives win 2 and 1 of 2 pairs, negatives lose 1 and 2: variances of 1/8 by 2 each, so a deviation of .3536
    assert auc_interval(scores, abnormal) == pytest.approx((0.75 - 1.96 * 0.35355, 1.0), abs=1e-4)
    assert auc_interval(scores[:3], abnormal[:3]) is None  # one normal case has no variance
    assert auc_interval(np.array([3.0, 2.0, 1.0, 0.0]), abnormal) is None  # nor has a perfect score


@given(BOTH_CLASSES, st.sampled_from([0.0, 0.3, 0.5, 0.75, 0.9, 0.95, 1.0]))
def test_no_threshold_of_that_specificity_has_a_larger_sensitivity(rows, specificity):
    scores, abnormal = arrays(rows)
    rates = [((scores[abnormal] >= least).mean(), (scores[~abnormal] < least).mean()) for least in [*scores, math.inf]]
    best = max(found for found, kept in rates if kept >= specificity - 1e-12)
    assert sensitivity_at(scores, abnormal, specificity=specificity) == pytest.approx(best)


def test_a_sensitivity_at_a_specificity_by_hand():
    scores, abnormal = np.arange(20.0), np.arange(20) % 2 == 1  # the normal cases have the even scores
    assert sensitivity_at(scores, abnormal, specificity=0.9) == 0.2  # 18 may be called: what lies above 16 is
    assert sensitivity_at(scores, abnormal, specificity=0.91) == 0.1
    assert sensitivity_at(scores, abnormal, specificity=0.0) == 1.0
    assert sensitivity_at(scores[:1], abnormal[:1], specificity=0.9) is None
    assert sensitivity_at(scores[1:2], abnormal[1:2], specificity=0.9) is None
    assert placements(scores[1:2], scores[:0])[0].size == 0
