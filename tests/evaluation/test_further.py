"""Tests of pnetkit.evaluation.further: arms' surfaces, lesions' F1 and calibration, and what they differ by."""

import math

import pytest

from pnetkit.evaluation.comparison import Call, CaseTruth
from pnetkit.evaluation.further import compare_further
from pnetkit.evaluation.lesions import Lesion, LesionMatch
from pnetkit.evaluation.surfaces import SurfaceAgreement

TRUTH = {f"P{n}": CaseTruth(n % 2 == 1, n) for n in range(8)}


def call(case, nsd, far, probability=None):
    surfaces = {name: SurfaceAgreement(nsd, far) for name in ("pancreas", "tumor", "duct")}
    return Call(bool(TRUTH[case].abnormal), 1.0 * bool(TRUTH[case].abnormal), {}, surfaces, probability)


def match(found, missed=0, wrong=0, voxel_mm3=1.0):
    lesions = [Lesion(100, 5.8, 90.0, 0.5)] * found + [Lesion(100, 5.8, 0.0, 0.0)] * missed
    return LesionMatch(tuple(lesions), (70.0,) * wrong, voxel_mm3)


def compared(base, own, lesions=None):
    return compare_further(TRUTH, {"base": base, "own": own}, lesions or {}, baseline="base")


def test_differences_of_surfaces_are_means_over_the_scans_of_a_diagnosis_with_tests_of_their_own():
    base = {case: call(case, 0.5, 4.0) for case in TRUTH}
    own = {case: call(case, 0.5 + 0.1 * (n // 2 + 1) / 4, 4.0 - n) for n, case in enumerate(TRUTH)}
    found = compared(base, own)
    assert found.arms[1].surfaces["A.Pancreas"].cases == 4
    (row,) = found.against
    assert row.nsd["A.Pancreas"].value == pytest.approx(0.0625)
    assert row.hd95_mm["Tumor"].value == pytest.approx(-4.0)  # of n = 1, 3, 5, 7
    assert row.nsd["Tumor"].p_value == pytest.approx(0.125)  # the least of four pairs
    assert row.adjusted["NSD Tumor"] == 1.0  # eight tests
    assert len(row.adjusted) == 8


def test_scans_without_a_distance_in_one_arm_are_in_no_difference_of_distances_and_in_that_of_nsd():
    base = {case: call(case, 0.5, 4.0) for case in TRUTH}
    own = base | {"P1": call("P1", 0.0, math.inf)}
    (row,) = compared(base, own).against
    assert row.hd95_mm["Tumor"].value == 0.0
    assert row.nsd["Tumor"].value == pytest.approx(-0.125)


def test_f1_counts_over_scans_and_its_difference_has_an_interval():
    plain = {case: call(case, 0.5, 4.0) for case in TRUTH}
    one = {case: match(1, missed=0, wrong=1) for case in TRUTH}
    two = {case: match(1) if n % 2 else match(0, missed=1) for n, case in enumerate(TRUTH)}
    found = compared(plain, plain, {"base": one, "own": two})
    assert (found.arms[0].f1.value, found.arms[1].f1.value) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    (row,) = found.against
    assert row.f1.value == pytest.approx(0.0)
    assert row.f1.low < 0 < row.f1.high


@pytest.mark.parametrize(
    ("patients", "interval"),
    [
        ((0, 0, 0, 0), (None, None)),  # of one patient any draw is the whole cohort: it says nothing of others
        ((0, 0, 0, 1), (-0.1, 0.3)),  # a quarter of the draws holds the first alone, a quarter the second
        ((0, 1, 2, 3), (0.0, 0.3)),  # cases alone: four times the last one is too rare, three times is not
    ],
)
@pytest.mark.parametrize("figure", ["nsd", "hd95_mm", "brier", "f1"])
def test_a_patient_s_cases_are_drawn_together_for_every_interval(figure, patients, interval):
    gains = {"a": 3, "b": 3, "c": 3, "d": -1}  # tenths: of an NSD, a millimeter, a Brier score, and of an F1 below
    truth = {case: CaseTruth(True, patient) for case, patient in zip(gains, patients, strict=True)}

    def arm(share):
        surfaces = {
            case: SurfaceAgreement(0.5 + share * gain / 10, 4 + share * gain / 10) for case, gain in gains.items()
        }
        said = {case: 1 - math.sqrt(0.25 + share * gain / 10) for case, gain in gains.items()}
        return {case: Call(True, 1.0, {}, {"tumor": surfaces[case]}, said[case]) for case in gains}

    found = {case: 10 + gain for case, gain in gains.items()}  # of twenty lesions in each case, nothing wrong
    lesions = {
        "base": {case: match(10, missed=10) for case in gains},
        "own": {case: match(found[case], missed=20 - found[case]) for case in gains},
    }
    (row,) = compare_further(truth, {"base": arm(0), "own": arm(1)}, lesions, baseline="base").against
    if figure == "f1":  # of all draws: twice what was found by that and what there is
        ends = interval if None in interval else [2 * (10 + 10 * e) / (30 + 10 * e) - 20 / 30 for e in interval]
        got = row.f1
    else:
        ends, got = interval, {"nsd": row.nsd["Tumor"], "hd95_mm": row.hd95_mm["Tumor"], "brier": row.brier}[figure]
    assert (got.low, got.high) == (interval if None in interval else pytest.approx(ends))


@pytest.mark.parametrize(("patients", "width"), [((0, 0, 0, 1), 0.4), ((0, 1, 2, 3), 0.3)])
def test_a_patient_s_cases_are_drawn_together_for_the_interval_of_an_arm_s_brier_score(patients, width):
    squares = {"a": 0.5, "b": 0.5, "c": 0.5, "d": 0.1}
    truth = {case: CaseTruth(True, patient) for case, patient in zip(squares, patients, strict=True)}
    calls = {case: Call(True, 1.0, {}, {}, 1 - math.sqrt(square)) for case, square in squares.items()}
    (arm,) = compare_further(truth, {"one": calls}, {}).arms
    assert arm.brier.high - arm.brier.low == pytest.approx(width)


def test_a_probability_of_every_case_is_calibrated_and_one_that_is_missing_costs_all():
    right = {case: call(case, 0.5, 4.0, 1.0 if TRUTH[case].abnormal else 0.0) for case in TRUTH}
    half = {case: call(case, 0.5, 4.0, 0.5) for case in TRUTH}
    found = compared(half, right)
    assert (found.arms[0].brier.value, found.arms[1].brier.value) == (0.25, 0.0)
    assert found.against[0].brier.value == -0.25
    found = compared(half, right | {"P1": call("P1", 0.5, 4.0)})
    assert found.arms[1].calibration is None
    assert found.against[0].brier.value is None


def test_a_probability_of_a_case_of_unknown_diagnosis_is_asked_of_nobody():
    truth = TRUTH | {"P8": CaseTruth(None, 8), "P9": CaseTruth(True, 9)}  # the last is in no arm
    calls = {case: call(case, 0.5, 4.0, 0.5) for case in TRUTH} | {"P8": Call(True, 1.0, {})}
    (arm,) = compare_further(truth, {"one": calls}, {}).arms
    assert (arm.calibration.cases, arm.brier.value) == (8, 0.25)


def test_an_f1_that_one_arm_does_not_have_differs_from_none():
    plain = {case: call(case, 0.5, 4.0) for case in TRUTH}
    nothing, wrong = ({case: match(0, wrong=count) for case in TRUTH} for count in (0, 1))
    uncounted = wrong | {"P1": match(0, wrong=1, voxel_mm3=None)}
    for base, own in ((nothing, wrong), (wrong, nothing), (uncounted, wrong), (wrong, uncounted)):
        (row,) = compared(plain, plain, {"base": base, "own": own}).against
        assert row.f1.value is None


def test_runs_of_earlier_releases_tell_none_of_it():
    old = {case: Call(True, 1.0, {"tumor": 0.5}) for case in TRUTH}
    assert compared(old, old, {"base": {"P1": match(1, voxel_mm3=None)}}).is_empty
    assert old["P1"].says_as(call("P1", 0.5, 4.0)) is False
    assert Call(True, 1.0, {}).says_as(call("P1", 0.5, 4.0))
