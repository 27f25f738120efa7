"""Fusion of phases: decisions, scores, missing phases, order."""

import math
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pnetkit_fusion.rules import And, KOfN, Max, Mean, NoisyOr, Or, Single

from pnetkit.errors import MissingPhaseError
from pnetkit.types import PhaseFinding

PHASES = ("arterial", "portal", "venous")


def findings(**scores):
    return {phase: PhaseFinding(phase, score, 2.0) for phase, score in scores.items()}


def fuse(rule, expected=("arterial", "venous"), **scores):
    return rule.fuse("P1", findings(**scores), expected=expected)


@pytest.mark.parametrize(("arterial", "venous"), list(product([0.0, 1.9, 2.0, 5.0], repeat=2)))
def test_or_and_and_follow_their_truth_tables(arterial, venous):
    calls = [arterial >= 2, venous >= 2]
    assert fuse(Or(), arterial=arterial, venous=venous).abnormal is any(calls)
    assert fuse(And(), arterial=arterial, venous=venous).abnormal is all(calls)
    assert fuse(KOfN(k=1), arterial=arterial, venous=venous).abnormal is any(calls)
    assert fuse(KOfN(k=2), arterial=arterial, venous=venous).abnormal is all(calls)
    assert fuse(Max(), arterial=arterial, venous=venous).abnormal is any(calls)
    assert fuse(Single(phase="venous"), arterial=arterial, venous=venous).abnormal is calls[1]


def test_scores_are_in_units_of_the_thresholds():
    scores = {"arterial": 1.0, "venous": 5.0}
    assert fuse(Or(), **scores).score == 2.5
    assert fuse(And(), **scores).score == 0.5
    assert fuse(Mean(), **scores).score == 1.5
    assert fuse(Mean(threshold=3.0), **scores).score == 0.5
    assert fuse(Max(threshold=5.0), **scores).score == 0.5
    assert fuse(Single(phase="arterial"), **scores).score == 0.5


def test_the_phases_that_fired_are_named_in_the_recipe_s_order():
    fused = fuse(Or(), PHASES, venous=3.0, portal=0.0, arterial=2.0)
    assert fused.fired == ("arterial", "venous")
    assert list(fused.findings) == list(PHASES)


@pytest.mark.parametrize("rule", [Or, And, Max, Mean, NoisyOr])
def test_a_missing_phase_is_named_or_refused(rule):
    fused = fuse(rule(), venous=3.0)
    assert (fused.abnormal, fused.score, fused.missing) == (True, 1.5, ("arterial",))
    with pytest.raises(MissingPhaseError, match="P1 lacks arterial"):
        fuse(rule(missing="refuse"), venous=3.0)
    with pytest.raises(MissingPhaseError, match="P1 lacks arterial, venous"):
        fuse(rule())


@given(
    st.lists(st.floats(0, 20), min_size=3, max_size=3),
    st.sampled_from([1.0, 2.0, 3.5]),
    st.sampled_from([0.3, 0.5, 0.9]),
)
def test_noisy_or_is_one_less_the_product_of_what_the_phases_leave(scores, sharpness, threshold):
    left = math.prod(0.5 ** ((score / 2) ** sharpness) for score in scores)
    found = fuse(NoisyOr(sharpness=sharpness, threshold=threshold), PHASES, **dict(zip(PHASES, scores, strict=True)))
    # the score is that of one phase that would leave as much
    at_threshold = (-math.log2(1 - threshold)) ** (1 / sharpness)
    assert math.isclose(0.5 ** ((found.score * at_threshold) ** sharpness), left, rel_tol=1e-9)
    if not math.isclose(left, 1 - threshold, rel_tol=1e-9):
        assert found.abnormal is (1 - left >= threshold)


@given(st.floats(0, 1e6), st.floats(1, 10))
def test_a_phase_alone_keeps_its_score_in_noisy_or_to_the_bit(score, sharpness):
    expected = fuse(Or(), ("venous",), venous=score)
    assert fuse(NoisyOr(sharpness=sharpness), ("venous",), venous=score).score == expected.score
    assert fuse(NoisyOr(sharpness=sharpness), venous=score, arterial=0.0).score == expected.score


@given(st.lists(st.floats(0, 1e3), min_size=3, max_size=3), st.integers(0, 2), st.floats(0, 10))
def test_noisy_or_rises_with_every_phase_and_is_never_below_or(scores, index, more):
    higher = [score + more * (i == index) for i, score in enumerate(scores)]
    below, above = (
        fuse(NoisyOr(), PHASES, **dict(zip(PHASES, values, strict=True))).score for values in (scores, higher)
    )
    assert below <= above * (1 + 1e-12)
    assert below >= max(scores) / 2


def test_noisy_or_adds_up_what_or_leaves_out_and_less_of_it_when_sharp():
    half = {"arterial": 1.0, "venous": 1.0}
    assert not fuse(Or(), **half).abnormal
    assert fuse(NoisyOr(), **half).score == 1
    assert fuse(NoisyOr(), **half).fired == ()
    assert fuse(NoisyOr(sharpness=2.0), **half).score == pytest.approx(0.5**0.5)
    assert fuse(NoisyOr(sharpness=50.0), **half).score == pytest.approx(0.5, rel=0.02)
    assert fuse(NoisyOr(threshold=0.75), **half).score == 0.5


def test_k_of_n_needs_k_phases():
    assert fuse(KOfN(k=2), PHASES, arterial=2.0, venous=2.0).missing == ("portal",)
    with pytest.raises(MissingPhaseError, match="has 1 of the 2 phases"):
        fuse(KOfN(k=2), PHASES, arterial=2.0)
    with pytest.raises(ValueError, match="k is 3, but the recipe has 2 phases"):
        fuse(KOfN(k=3), arterial=2.0, venous=2.0)


def test_single_needs_its_phase():
    with pytest.raises(MissingPhaseError, match="has no venous scan"):
        fuse(Single(), arterial=2.0)
    with pytest.raises(ValueError, match=r"phase .* is none of .*; set fusion.params.phase"):
        fuse(Single(phase="delayed"), arterial=2.0)


def test_a_finding_of_an_unexpected_phase_is_an_error():
    with pytest.raises(ValueError, match="findings of delayed"):
        fuse(Or(), delayed=1.0)


@pytest.mark.slow
@given(st.lists(st.floats(0, 1e6), min_size=3, max_size=3))
def test_the_order_of_the_findings_changes_nothing(scores):
    made = findings(**dict(zip(PHASES, scores, strict=True)))
    for rule in (Or(), And(), Max(), Mean(), NoisyOr(), NoisyOr(sharpness=2.5), KOfN(k=2), Single(phase="portal")):
        fused = [
            rule.fuse("P1", {phase: made[phase] for phase in order}, expected=PHASES) for order in permutations(PHASES)
        ]
        assert len({(f.abnormal, f.score, f.fired) for f in fused}) == 1
