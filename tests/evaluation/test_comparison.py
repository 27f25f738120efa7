"""Tests of pnetkit.evaluation.comparison: arms side by side, by hand and by property."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pnetkit.evaluation.comparison import Call, CaseTruth, compare_arms
from pnetkit.evaluation.paired import auc_difference, holm, rate_difference


def call(score, tumor=None):
    return Call(score >= 1, float(score), {} if tumor is None else {"pancreas": 0.8, "tumor": tumor})


TRUTH = {"a": CaseTruth(True, 0), "b": CaseTruth(True, 1), "c": CaseTruth(False, 2), "d": CaseTruth(False, 3),
         "e": CaseTruth(None, 4)}  # fmt: skip
BASE = {"a": call(2, 0.5), "b": call(0, 0.0), "c": call(0), "d": call(1), "e": call(3)}
BETTER = {"a": call(3, 0.7), "b": call(1, 0.4), "c": call(0), "d": call(0.5), "e": call(3)}


def test_each_arm_has_its_counts_and_cases_of_unknown_diagnosis_are_in_none():
    base, better = compare_arms(TRUTH, {"base": BASE, "better": BETTER}).arms
    assert (base.sensitivity.successes, base.sensitivity.total) == (1, 2)
    assert (base.specificity.successes, base.specificity.total) == (1, 2)
    assert (better.sensitivity.value, better.specificity.value, better.auc.value) == (1, 1, 1)
    assert base.auc.value == (1 + 1 + 0.5 + 0) / 4
    assert base.dice["Tumor"].mean == 0.25
    assert better.sensitivity_at_95.value == 1


def test_differences_are_arm_minus_baseline_and_name_the_cases():
    comparison = compare_arms(TRUTH, {"base": BASE, "better": BETTER}, baseline="base")
    (row,) = comparison.against
    assert row.arm == "better"
    assert row.right_alone == ("b", "d")
    assert row.baseline_right_alone == ()
    assert row.sensitivity.value == 0.5
    assert row.dice["Tumor"].value == pytest.approx(0.3)
    assert row.sensitivity == rate_difference([True, False], [True, True])
    assert row.auc == auc_difference([2, 0, 0, 1], [3, 1, 0, 0.5], [True, True, False, False])


def test_undecided_cases_are_counted_and_left_out_of_both_sides_of_a_pair():
    partial = {case: found for case, found in BETTER.items() if case != "b"}
    comparison = compare_arms(TRUTH, {"base": BASE, "partial": partial}, baseline="base")
    assert [arm.undecided for arm in comparison.arms] == [0, 1]
    assert comparison.against[0].cases == 4
    assert comparison.against[0].sensitivity.value == 0.0


@pytest.mark.slow
def test_p_values_are_adjusted_over_the_whole_table():
    worse = BASE | {"b": call(0.1, 0.1)}
    arms = {"base": BASE, "one": BETTER, "two": worse, "same": dict(BASE)}
    rows = compare_arms(TRUTH, arms, baseline="base").against
    raw = [p for row in rows for p in row.p_values.values()]
    assert [p for row in rows for p in row.adjusted.values()] == holm(raw)
    assert len(raw) > 6
    assert [row.identical for row in rows] == [False, False, True]
    assert rows[2].p_values == {}


@pytest.mark.parametrize(
    ("patients", "interval"),
    [
        ((0, 0, 0, 0), (None, None)),  # of one patient any draw is the whole cohort: it says nothing of others
        ((0, 0, 0, 1), (-0.1, 0.3)),  # a quarter of the draws holds the first alone, a quarter the second
        ((0, 1, 2, 3), (0.0, 0.3)),  # cases alone: four times the last one is too rare, three times is not
    ],
)
def test_a_patient_s_cases_are_drawn_together_for_the_interval_of_a_difference_in_dice(patients, interval):
    gains = {"a": 0.3, "b": 0.3, "c": 0.3, "d": -0.1}
    truth = {case: CaseTruth(True, patient) for case, patient in zip(gains, patients, strict=True)}
    arms = {"base": {case: call(2, 0.5) for case in gains}, "arm": {case: call(2, 0.5 + gains[case]) for case in gains}}
    (row,) = compare_arms(truth, arms, baseline="base").against
    found = row.dice["Tumor"]
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == (interval if None in interval else pytest.approx(interval))


def test_a_patient_s_cases_are_drawn_together_for_the_interval_of_a_sensitivity():
    truth = {"a": CaseTruth(True, 0), "b": CaseTruth(True, 1), "c": CaseTruth(False, 0), "d": CaseTruth(False, 1)}
    (arm,) = compare_arms(truth, {"arm": {"a": call(2), "b": call(0.5), "c": call(1), "d": call(0)}}).arms
    assert (arm.sensitivity_at_95.low, arm.sensitivity_at_95.high) == (0.5, 1)  # alone, each is right


@pytest.mark.slow
@settings(max_examples=10)
@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.integers(0, 3), st.integers(0, 3)), max_size=14))
def test_an_arm_against_itself_differs_in_nothing(cases):
    truth = {f"c{i}": CaseTruth(abnormal, patient) for i, (abnormal, patient, _) in enumerate(cases)}
    calls = {f"c{i}": call(score, score / 3) for i, (_, _, score) in enumerate(cases)}
    comparison = compare_arms(truth, {"one": calls, "same": calls}, baseline="one")
    (row,) = comparison.against
    assert row.right_alone == row.baseline_right_alone == ()
    assert {d.value for d in (row.sensitivity, row.specificity, row.auc, *row.dice.values())} <= {0.0, None}
    assert set(row.p_values.values()) <= {1.0, None}
