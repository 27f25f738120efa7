"""Tests of pnetkit.evaluation.roc."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pnetkit.evaluation.roc import auc

# few different scores, so that ties are common
SCORED = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.3, 1.0, 7.5]) | st.floats(0, 1e6), st.booleans()), min_size=2)
BOTH_CLASSES = SCORED.filter(lambda rows: len({abnormal for _, abnormal in rows}) == 2)


def columns(rows):
    return [score for score, _ in rows], [abnormal for _, abnormal in rows]


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
