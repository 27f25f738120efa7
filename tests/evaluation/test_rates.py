"""Tests of pnetkit.evaluation.rates."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pnetkit.evaluation.rates import Rate, wilson_rate

COUNTS = st.integers(1, 5000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@pytest.mark.parametrize(
    ("errors", "total", "value", "low", "high"),
    [
        # Table 1 and 2 of the paper: misses of 228 PNETs, wrong calls on 148 normals
        (40, 228, 82.46, 76.99, 86.84),
        (42, 228, 81.58, 76.04, 86.07),
        (49, 228, 78.51, 72.73, 83.34),
        (44, 228, 80.70, 75.09, 85.30),
        (43, 228, 81.14, 75.56, 85.69),
        (24, 228, 89.47, 84.82, 92.82),
        (12, 148, 91.89, 86.36, 95.30),
        (20, 148, 86.49, 80.05, 91.08),
        (31, 148, 79.05, 71.81, 84.83),
        (28, 148, 81.08, 74.02, 86.57),
        (37, 148, 75.00, 67.45, 81.28),
        (23, 148, 84.46, 77.76, 89.42),
    ],
)
def test_published_rates_of_the_paper(errors, total, value, low, high):
    rate = wilson_rate(total - errors, total)
    assert rate.value is not None
    assert [round(100 * x, 2) for x in (rate.value, rate.low, rate.high)] == [value, low, high]


def test_one_of_two_by_hand():
    z2 = 1.959963984540054**2  # Wilson: center (k + z2/2) / (n + z2), here 1/2; half width by the formula
    half = 1.959963984540054 / (2 + z2) * (2 * 1 / 4 + z2 / 4) ** 0.5
    rate = wilson_rate(1, 2)
    assert rate.value == 1 / 2
    assert (rate.low, rate.high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-12)


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(COUNTS, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_interval_equals_statsmodels(counts, confidence):
    from statsmodels.stats.proportion import proportion_confint  # slow to import

    rate = wilson_rate(*counts, confidence=confidence)
    assert (rate.low, rate.high) == pytest.approx(
        proportion_confint(*counts, alpha=1 - confidence, method="wilson"), abs=1e-12
    )


@settings(deadline=None, max_examples=50)
@given(COUNTS)
def test_interval_holds_the_value_and_stays_between_0_and_1(counts):
    rate = wilson_rate(*counts)
    assert rate.value is not None
    assert -1e-12 <= rate.low <= rate.value + 1e-12
    assert rate.value - 1e-12 <= rate.high <= 1 + 1e-12


@settings(deadline=None, max_examples=50)
@given(COUNTS)
def test_counting_failures_mirrors_the_interval(counts):
    successes, total = counts
    rate, mirrored = wilson_rate(successes, total), wilson_rate(total - successes, total)
    assert (rate.low, rate.high) == pytest.approx((1 - mirrored.high, 1 - mirrored.low), abs=1e-12)


def test_of_no_cases_nothing_is_known():
    assert wilson_rate(0, 0) == Rate(0, 0, None, None)
    assert wilson_rate(0, 0).value is None


@pytest.mark.parametrize(("successes", "total"), [(-1, 3), (4, 3)])
def test_impossible_counts_are_refused(successes, total):
    with pytest.raises(ValueError, match=r"^k .*must"):
        wilson_rate(successes, total)


@pytest.mark.parametrize("confidence", [-0.1, 95.0])
def test_a_confidence_is_a_share_not_a_percentage(confidence):
    with pytest.raises(ValueError, match="confidence_level"):
        wilson_rate(1, 2, confidence=confidence)


def test_importing_the_module_does_not_import_scipy():
    code = "import sys, pnetkit.evaluation.rates; sys.exit(any(m.split('.')[0] == 'scipy' for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
