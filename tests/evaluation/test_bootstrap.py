"""Tests of pnetkit.evaluation.bootstrap."""

import numpy as np
import pytest

from pnetkit.evaluation.bootstrap import bootstrap_interval


def test_the_interval_of_a_mean_is_close_to_scipy_s():
    from scipy.stats import bootstrap  # slow to import

    values = np.random.default_rng(0).normal(5, 2, 200)
    low, high = bootstrap_interval(lambda drawn: float(values[drawn].mean()), range(200))
    expected = bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(1)).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.03)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values = np.arange(50.0)

    def interval(seed):
        return bootstrap_interval(lambda drawn: float(values[drawn].mean()), range(50), seed=seed)

    assert interval(1) == interval(1) != interval(2)


def test_cases_of_one_patient_are_drawn_together():
    seen = []

    def note(drawn):
        seen.append(sorted(drawn.tolist()))
        return 0.0

    bootstrap_interval(note, [7, 7, 8], resamples=50)
    assert {tuple(draw) for draw in seen} <= {(0, 0, 1, 1), (0, 1, 2), (2, 2)}
    assert len({tuple(draw) for draw in seen}) == 3


def test_draws_are_those_of_patients_one_after_the_other():
    patients = [3, 1, 3, 2, 1, 1, 9]
    members = [[0, 2], [1, 4, 5], [3], [6]]  # in the order in which patients come
    rng = np.random.default_rng(4)
    wanted = [[case for patient in rng.integers(4, size=4) for case in members[patient]] for _ in range(20)]
    seen = []

    def note(drawn):
        seen.append(drawn.tolist())
        return 0.0

    bootstrap_interval(note, patients, seed=4, resamples=20)
    assert seen == wanted


def test_without_values_in_half_of_the_draws_there_is_no_interval():
    assert bootstrap_interval(lambda _: None, range(5)) is None
    assert bootstrap_interval(lambda _: 1.0, []) is None


def test_one_patient_has_no_interval():
    assert bootstrap_interval(lambda _: 1.0, [3, 3, 3]) is None
