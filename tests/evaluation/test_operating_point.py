"""Tests of pnetkit.evaluation.operating_point: by hand, and against an exhaustive search."""

from itertools import product

import numpy as np
import pytest

from pnetkit.evaluation.operating_point import Target, at_operating_point, choose_operating_point
from pnetkit.types import PhaseFinding

PHASES = ("arterial", "venous")


def findings(**scores):
    return {phase: PhaseFinding(phase, float(score), 1.0) for phase, score in scores.items()}


def either(found):
    return any(f.abnormal for f in found.values())


def choose(cases, rate, at_least, decide=either, phases=PHASES):
    return choose_operating_point(cases, decide, Target(rate, at_least), phases)


def test_one_phase_gets_the_threshold_between_the_groups():
    cases = [(findings(venous=score), abnormal) for score, abnormal in [(1, False), (2, False), (8, True), (9, True)]]
    point = choose(cases, "sensitivity", 1.0, phases=("venous",))
    assert (point.sensitivity, point.specificity, point.reached) == (1, 1, True)
    assert point.factors["venous"] == pytest.approx(4)  # the geometric middle of 2 and 8


def test_the_phases_are_chosen_jointly_for_the_fused_decision():
    """Each phase alone at a specificity of 3/4 makes the fused one 1/2; jointly one phase has to give way."""
    cases = [
        (findings(arterial=5, venous=0.1), True),
        (findings(arterial=6, venous=0.1), True),
        (findings(arterial=0.1, venous=5), True),
        (findings(arterial=7, venous=0.1), False),
        (findings(arterial=0.1, venous=7), False),
        (findings(arterial=0.1, venous=0.1), False),
        (findings(arterial=0.1, venous=0.1), False),
    ]
    point = choose(cases, "specificity", 0.75)
    assert point.specificity == 0.75
    assert point.sensitivity == pytest.approx(2 / 3)  # the arterial phase is worth more
    assert point.factors["arterial"] < 5
    assert point.factors["venous"] > 7


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["sensitivity", "specificity"])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_better_exists_on_an_exhaustive_grid(rate, seed):
    rng = np.random.default_rng(seed)
    cases = [
        (findings(arterial=rng.gamma(2 + a), venous=rng.gamma(1.5 + a)), bool(a)) for a in rng.integers(0, 2, size=14)
    ]
    point = choose(cases, rate, 0.8)
    grids = [sorted({0.001, *(f[p].score * (1 - 1e-9) for f, _ in cases), 1e9}) for p in PHASES]
    best = 0.0
    for values in product(*grids):
        called = [either(at_operating_point(f, dict(zip(PHASES, values, strict=True)))) for f, _ in cases]
        sensitivity = np.mean([c for c, (_, a) in zip(called, cases, strict=True) if a])
        specificity = 1 - np.mean([c for c, (_, a) in zip(called, cases, strict=True) if not a])
        aimed, other = (sensitivity, specificity) if rate == "sensitivity" else (specificity, sensitivity)
        if aimed >= 0.8 - 1e-12:
            best = max(best, other)
    assert point.reached
    assert (point.specificity if rate == "sensitivity" else point.sensitivity) == pytest.approx(best)


def test_a_target_out_of_reach_is_said_and_the_closest_is_taken():
    cases = [(findings(venous=0), True), (findings(venous=3), True), (findings(venous=1), False)]
    point = choose(cases, "sensitivity", 1.0, phases=("venous",))
    assert not point.reached
    assert point.sensitivity == 0.5


@pytest.mark.parametrize("count", [3, 200])
@pytest.mark.parametrize(("rate", "other"), [("sensitivity", "specificity"), ("specificity", "sensitivity")])
def test_a_rate_of_one_is_reached_where_the_lowest_is_abnormal_and_the_highest_normal(rate, other, count):
    """By thresholds below all scores and above all, also where the many between are thinned."""
    scores = np.linspace(0.5, 9, count)
    cases = [(findings(venous=score), i in (0, count // 2)) for i, score in enumerate(scores)]
    point = choose(cases, rate, 1.0, phases=("venous",))
    assert point.reached
    assert (getattr(point, rate), getattr(point, other)) == (1, 0)
    assert point.factors["venous"] < 0.5 if rate == "sensitivity" else point.factors["venous"] > 9


def test_a_rate_that_is_just_reached_counts_as_reached():
    cases = [(findings(venous=score), abnormal) for score, abnormal in [(1, True), (2, False), (3, True), (4, True)]]
    point = choose(cases, "sensitivity", 2 / 3, phases=("venous",))
    assert (point.reached, point.sensitivity, point.specificity) == (True, pytest.approx(2 / 3), 1)


def test_without_both_groups_there_is_nothing_to_choose():
    assert choose([(findings(venous=1), True)], "sensitivity", 0.9) is None


def test_equally_good_thresholds_stay_near_the_recipe_s():
    cases = [(findings(venous=0.5), False), (findings(venous=2), True)]
    assert choose(cases, "sensitivity", 1.0, phases=("venous",)).factors == {"venous": 1.0}


def test_the_recipe_s_own_threshold_is_tried_and_wins_among_equals():
    cases = [(findings(venous=0.2), False), (findings(venous=9), True)]  # the middle of them is 1.34
    assert choose(cases, "sensitivity", 1.0, phases=("venous",)).factors == {"venous": 1.0}
    nothing = [(findings(venous=0), False), (findings(venous=0), True)]
    assert choose(nothing, "sensitivity", 1.0, phases=("venous",)).factors == {"venous": 1.0}


def test_of_thresholds_with_the_same_other_rate_that_with_more_of_the_aimed_one_wins():
    cases = [(findings(venous=0.1), False), (findings(venous=0.2), True), (findings(venous=0.4), True)]
    point = choose(cases, "sensitivity", 0.5, phases=("venous",))
    assert (point.sensitivity, point.specificity) == (1, 1)


@pytest.mark.parametrize(("rate", "abnormal"), [("sensitivity", True), ("specificity", False)])
def test_a_rate_of_cases_that_nobody_decides_is_not_reached(rate, abnormal):
    cases = [(findings(venous=2), abnormal), (findings(arterial=2), not abnormal)]
    point = choose(cases, rate, 0.5, decide=lambda found: None if "venous" in found else either(found))
    assert not point.reached
    assert getattr(point, rate) == 0


def test_a_phase_without_a_factor_keeps_its_threshold():
    found = at_operating_point(findings(arterial=1, venous=1), {"venous": 3.0})
    assert {phase: of.threshold for phase, of in found.items()} == {"arterial": 1.0, "venous": 3.0}
