"""Tests of pnetkit.evaluation.paired against statsmodels, SciPy, MLstatkit, and published examples."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pnetkit.evaluation.paired import auc_difference, discordance, holm, rate_difference, signed_rank


def table(both, only_first, only_second, neither):
    kinds = [(True, True)] * both + [(True, False)] * only_first + [(False, True)] * only_second
    kinds += [(False, False)] * neither
    return [a for a, _ in kinds], [b for _, b in kinds]


COUNTS = st.tuples(*[st.integers(0, 40)] * 4)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((20, 12, 2, 16), 0.056, 0.329),  # Altman et al., Statistics with Confidence (2000), p. 52
        ((1, 1, 7, 12), -0.507, -0.026),  # Bentur et al. 2009, as in Fagerland et al., Contingency Tables, chapter 8
    ],
)
def test_the_interval_of_a_paired_difference_is_newcombe_s(counts, low, high):
    first, second = table(*counts)
    found = rate_difference(second, first)  # the examples give the first minus the second
    assert found.value == pytest.approx((counts[1] - counts[2]) / sum(counts))
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.slow
@settings(max_examples=50)
@given(COUNTS)
def test_mcnemar_s_exact_p_is_that_of_statsmodels(counts):
    from statsmodels.stats.contingency_tables import mcnemar  # slow to import

    assume(sum(counts))
    both, only_first, only_second, neither = counts
    expected = mcnemar([[both, only_first], [only_second, neither]], exact=True).pvalue
    assert rate_difference(*table(*counts)).p_value == pytest.approx(min(expected, 1.0), abs=1e-12)


@settings(max_examples=50)
@given(COUNTS)
def test_a_difference_turns_its_sign_with_the_order_and_lies_in_its_interval(counts):
    assume(sum(counts))
    first, second = table(*counts)
    there, back = rate_difference(first, second), rate_difference(second, first)
    assert there.value == pytest.approx(-back.value)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert -1 - 1e-9 <= there.low <= there.value + 1e-12
    assert there.value - 1e-12 <= there.high <= 1 + 1e-9
    assert there.p_value == back.p_value
    assert discordance(first, second) == counts


def test_no_cases_have_no_difference():
    assert rate_difference([], []).p_value is None


SCORES = st.integers(6, 40).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 12), min_size=n, max_size=n)] * 2, st.integers(0, 2**31))
)


@pytest.mark.slow
@settings(max_examples=50)
@given(SCORES)
def test_delong_s_test_is_that_of_mlstatkit(drawn):
    from MLstatkit import Delong_test  # slow to import

    first, second, seed = drawn
    labels = np.random.default_rng(seed).permutation(np.arange(len(first)) % 2 == 0)
    found = auc_difference(first, second, labels.tolist())
    assume(found.p_value is not None)
    _, expected, *_ = Delong_test(labels.astype(int), np.array(first) / 12, np.array(second) / 12, return_ci=False)
    assert found.p_value == pytest.approx(float(expected), rel=1e-6, abs=1e-9)
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("confidence", [0.9, 0.95])
@given(SCORES)
def test_the_interval_of_two_areas_is_delong_s_from_all_pairs_and_cut_to_what_a_difference_can_be(confidence, drawn):
    first, second, seed = drawn
    labels = np.random.default_rng(seed).permutation(np.arange(len(first)) % 2 == 0)
    found = auc_difference(first, second, labels.tolist(), confidence=confidence)
    one, two = (
        np.sign(of[labels][:, None] - of[~labels]) / 2 for of in (np.array(first, float), np.array(second, float))
    )
    change = two - one
    variance = sum(np.var(change.mean(axis=1 - axis), ddof=1) / change.shape[axis] for axis in (0, 1))
    assume(variance > 1e-12)
    reach = {0.9: 1.6448536, 0.95: 1.9599640}[confidence] * np.sqrt(variance)  # quantiles of a table
    assert found.value == pytest.approx(change.mean())
    assert (found.low, found.high) == pytest.approx(
        (max(change.mean() - reach, -1), min(change.mean() + reach, 1)), abs=1e-6
    )


def test_the_interval_of_two_areas_that_lie_far_apart_ends_where_a_difference_does():
    right, wrong = [1.0, 2.0, 3.0, 4.0], [4.0, 2.5, 3.0, 1.0]
    labels = [False, False, True, True]
    assert auc_difference(right, wrong, labels).low == -1
    assert auc_difference(wrong, right, labels).high == 1


@pytest.mark.parametrize("labels", [[True, False, False, False], [False, True, True, True]])
def test_one_case_of_a_kind_has_a_difference_of_areas_and_no_interval(labels):
    found = auc_difference([1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0], labels)
    assert abs(found.value) == 1
    assert (found.low, found.high, found.p_value) == (None, None, None)


def test_scores_without_variance_have_a_difference_and_no_p():
    perfect, worse = [0.0, 0.1, 0.8, 0.9], [0.0, 0.2, 0.5, 0.6]
    found = auc_difference(perfect, worse, [False, False, True, True])
    assert (found.value, found.p_value) == (0.0, None)


@pytest.mark.slow
@settings(max_examples=15)  # ties of few pairs take SciPy a permutation of all
@example([(0.5, 0.5)])
@example([(0.1, 0.1), (0.2, 0.5), (0.5, 0.2), (0.0, 1.0)])
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_the_signed_rank_test_is_scipy_s_without_zeros(pairs):
    from scipy.stats import wilcoxon

    first, second = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    changed = (second - first)[second != first]
    expected = None if changed.size == 0 else float(wilcoxon(changed).pvalue)
    assert signed_rank(first.tolist(), second.tolist()) == expected


@pytest.mark.slow
@settings(max_examples=12)
@given(st.lists(st.none() | st.floats(0, 1), max_size=8))
def test_holm_s_correction_is_that_of_statsmodels_over_the_known_values(values):
    from statsmodels.stats.multitest import multipletests  # slow to import

    known = [v for v in values if v is not None]
    expected = multipletests(known, method="holm")[1].tolist() if known else []
    assert [v for v in holm(values) if v is not None] == pytest.approx(expected)
    assert [v is None for v in holm(values)] == [v is None for v in values]
