"""Tests of pnetkit.evaluation.calibration, by hand and against scikit-learn and statsmodels."""

import numpy as np
import pytest

from pnetkit.evaluation.calibration import calibration, reliability_bins


def drawn(cases=300):
    rng = np.random.default_rng(3)
    values = rng.uniform(0.02, 0.98, cases)
    return values, rng.uniform(size=cases) < values**2


def test_figures_of_four_cases_are_those_computed_by_hand():
    found = calibration([0.1, 0.1, 0.8, 1.0], [False, True, True, True])
    assert found.brier == pytest.approx((0.01 + 0.81 + 0.04 + 0) / 4)
    # bins: [.1, .2) of two, a half abnormal; [.8, .9) of one; [.9, 1] of one
    assert found.expected_error == pytest.approx((2 * 0.4 + 0.2 + 0) / 4)
    assert [(of.low, of.high, of.cases, of.abnormal) for of in found.bins] == [
        (0.1, 0.2, 2, 1),
        (0.8, 0.9, 1, 1),
        (0.9, 1.0, 1, 1),
    ]


def test_brier_score_and_bins_are_scikit_learn_s():
    from sklearn.calibration import calibration_curve  # slow to import
    from sklearn.metrics import brier_score_loss

    values, truth = drawn()
    found = calibration(values.tolist(), truth.tolist())
    assert found.brier == pytest.approx(brier_score_loss(truth, values), abs=1e-12)
    shares, means = calibration_curve(truth, values, n_bins=10)
    assert [of.abnormal / of.cases for of in found.bins] == pytest.approx(shares.tolist())
    assert [of.mean for of in found.bins] == pytest.approx(means.tolist())
    assert sum(of.cases for of in found.bins) == 300


@pytest.mark.slow
def test_slope_and_intercept_are_those_of_statsmodels_logistic_regression():
    import statsmodels.api as sm  # slow to import

    values, truth = drawn()
    logits = np.log(values / (1 - values))
    found = calibration(values.tolist(), truth.tolist())
    whole = sm.GLM(truth.astype(float), sm.add_constant(logits), family=sm.families.Binomial()).fit()
    large = sm.GLM(truth.astype(float), np.ones((300, 1)), family=sm.families.Binomial(), offset=logits).fit()
    assert found.slope == pytest.approx(whole.params[1], abs=1e-6)
    assert found.intercept == pytest.approx(large.params[0], abs=1e-6)
    assert found.intercept < -0.5  # these probabilities are too high


@pytest.mark.parametrize(
    ("values", "truth"),
    [([0.2, 0.4], [True, True]), ([0.1, 0.2, 0.8, 0.9], [False, False, True, True]), ([0.5, 0.5], [True, False])],
    ids=["one diagnosis", "kept apart", "one probability"],
)
def test_where_no_regression_has_a_slope_none_is_given(values, truth):
    assert calibration(values, truth).slope is None


def test_of_no_case_there_is_no_calibration_and_what_is_no_probability_is_refused():
    assert calibration([], []) is None
    with pytest.raises(ValueError, match=r"from 0 to 1, got 0.5 to 3.0"):
        calibration([0.5, 3.0], [True, False])


def test_a_probability_at_an_edge_is_in_the_upper_bin_and_one_in_the_last():
    bins = reliability_bins(np.array([0.5, 1.0]), np.array([True, True]))
    assert [(of.low, of.high) for of in bins] == [(0.5, 0.6), (0.9, 1.0)]
