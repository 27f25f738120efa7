"""The logistic fusion: the same coefficients as scikit-learn's, scores in units of a threshold, what is refused."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pnetkit_fusion import regression
from pnetkit_fusion.logistic import MODEL, Logistic
from pnetkit_fusion.regression import fit_regression

from pnetkit.errors import MissingPhaseError, StoreError, TrainingError
from pnetkit.interfaces import ProbabilityPhaseFusion, TrainedPhaseFusion
from pnetkit.types import CaseFinding, PhaseFinding

PHASES = ("arterial", "venous")


def findings(**scores):
    return {phase: PhaseFinding(phase, score * 2.0, 2.0) for phase, score in scores.items()}


def drawn(cases, seed, phases=PHASES):
    """Scores that are larger in abnormal cases, some 0, as a rule's are."""
    rng = np.random.default_rng(seed)
    abnormal = [bool(i % 2) for i in range(cases)]
    found = []
    for called in abnormal:
        found_any = rng.random(len(phases)) > (0.1 if called else 0.4)
        scores = np.exp(rng.normal(1.0 if called else -0.5, 1.5, len(phases))) * found_any
        found.append(findings(**dict(zip(phases, scores.tolist(), strict=True))))
    return found, abnormal


def fitted(cases=40, seed=0, phases=PHASES, **params):
    fusion = Logistic(**params)
    fusion.fit(*drawn(cases, seed, phases), expected=phases, seed=0)
    return fusion


def stored(fusion, folder):
    fusion.save(folder)
    return json.loads((folder / MODEL).read_text())


@pytest.mark.parametrize("phases", [("venous",), PHASES, ("arterial", "portal", "venous")])
@pytest.mark.parametrize("l2", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("cases", [6, 41, 300])
def test_weights_and_intercept_are_scikit_learn_s(cases, l2, phases, tmp_path):
    from sklearn.linear_model import LogisticRegression  # slow to import

    found, abnormal = drawn(cases, cases, phases)
    floor = 0.01
    features = [[math.log((of[phase].relative_score + floor) / (1 + floor)) for phase in phases] for of in found]
    reference = LogisticRegression(C=1 / l2, tol=1e-12, max_iter=10000, solver="newton-cholesky")
    reference.fit(features, abnormal)
    content = stored(fitted(cases, cases, phases, l2=l2), tmp_path)
    assert content["weights"] == pytest.approx(reference.coef_[0].tolist(), abs=1e-7)
    assert content["intercept"] == pytest.approx(float(reference.intercept_[0]), abs=1e-7)


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.booleans()), min_size=2, max_size=30).filter(
        lambda rows: len({called for *_, called in rows}) == 2
    ),
    st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_the_gradient_vanishes_at_what_was_found(rows, l2):
    x = np.array([row[:2] for row in rows])
    y = np.array([row[2] for row in rows])
    found = fit_regression(x, y, l2=l2)
    over = 1 / (1 + np.exp(-(x @ found.weights + found.intercept))) - y
    assert np.abs(x.T @ over + l2 * np.array(found.weights)).max() <= 1e-9 * len(x)
    assert abs(over.sum()) <= 1e-9 * len(x)


def test_the_score_is_the_odds_over_those_at_the_threshold(tmp_path):
    fusion = fitted(threshold=0.2)
    content = stored(fusion, tmp_path)
    given_scores = {"arterial": 0.7, "venous": 2.5}
    features = [math.log((given_scores[phase] + 0.01) / 1.01) for phase in content["phases"]]
    logit = content["intercept"] + sum(w * x for w, x in zip(content["weights"], features, strict=True))
    probability = 1 / (1 + math.exp(-logit))
    found = fusion.fuse("P1", findings(**given_scores), expected=PHASES)
    assert found.score == pytest.approx(probability / (1 - probability) / (0.2 / 0.8))
    assert found.abnormal is (probability >= 0.2)
    assert found.fired == ("venous",)


RISING = fitted(300, 2)


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_higher_score_of_a_phase_with_a_positive_weight_never_lowers_the_case_s(one, two):
    low, high = (RISING.fuse("P", findings(arterial=0.4, venous=v), expected=PHASES) for v in sorted([one, two]))
    assert math.isfinite(high.score)
    assert low.score <= high.score
    assert low.abnormal <= high.abnormal


def test_in_the_test_above_the_weight_is_positive(tmp_path):
    assert min(stored(RISING, tmp_path)["weights"]) > 0.2


def test_separable_cases_without_any_overlap_give_finite_weights_and_finite_scores(tmp_path):
    fusion = Logistic(l2=1e-6)
    fusion.fit(
        [findings(arterial=0.0, venous=0.0), findings(arterial=1e12, venous=1e12)],
        [False, True],
        expected=PHASES,
        seed=0,
    )
    assert all(math.isfinite(weight) for weight in stored(fusion, tmp_path)["weights"])
    assert fusion.fuse("P", findings(arterial=0.0, venous=0.0), expected=PHASES).abnormal is False
    assert math.isfinite(fusion.fuse("P", findings(arterial=1e300, venous=1e300), expected=PHASES).score)


def test_a_missing_phase_counts_as_one_at_its_threshold_and_is_named():
    fusion = fitted()
    alone = fusion.fuse("P", findings(venous=3.0), expected=PHASES)
    both = fusion.fuse("P", findings(arterial=1.0, venous=3.0), expected=PHASES)
    assert alone.score == pytest.approx(both.score, rel=1e-12)
    assert (alone.missing, both.missing) == (("arterial",), ())
    with pytest.raises(MissingPhaseError, match="P lacks arterial, venous"):
        fusion.fuse("P", {}, expected=PHASES)


def test_refusing_cases_without_a_phase_it_does_not_learn_from_them_either(tmp_path):
    found, abnormal = drawn(20, 1)
    strict = Logistic(missing="refuse")
    strict.fit([*found, findings(venous=9.0)], [*abnormal, False], expected=PHASES, seed=0)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    whole = Logistic()
    whole.fit(found, abnormal, expected=PHASES, seed=0)
    assert stored(strict, tmp_path / "one") == stored(whole, tmp_path / "two")
    with pytest.raises(MissingPhaseError, match="P lacks arterial"):
        strict.fuse("P", findings(venous=1.0), expected=PHASES)
    with pytest.raises(TrainingError, match="got 1 that count, 1 of them abnormal"):
        strict.fit([findings(venous=1.0), found[1]], [False, True], expected=PHASES, seed=0)


def test_it_learns_and_a_rule_does_not():
    from pnetkit_fusion.rules import Or

    assert isinstance(Logistic(), TrainedPhaseFusion)
    assert not isinstance(Or(), TrainedPhaseFusion)


def test_what_was_not_fitted_or_was_fitted_on_other_phases_does_not_answer(tmp_path):
    with pytest.raises(ValueError, match="neither fitted nor loaded"):
        Logistic().fuse("P", findings(venous=1.0), expected=("venous",))
    with pytest.raises(ValueError, match="nothing to save"):
        Logistic().save(tmp_path)
    with pytest.raises(ValueError, match="was fitted on arterial, venous, not on venous"):
        fitted().fuse("P", findings(venous=1.0), expected=("venous",))


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", '{"phases": ["venous"], "weights": [], "intercept": 0, "floor": 0.01, "l2": 1}',
        '{"phases": ["venous"], "weights": [NaN], "intercept": 0, "floor": 0.01, "l2": 1}',
        '{"phases": ["venous"], "weights": ["x"], "intercept": 0, "floor": 0.01, "l2": 1}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(text, tmp_path):
    (tmp_path / MODEL).write_text(text)
    with pytest.raises(StoreError, match=r"logistic\.json"):
        Logistic().load(tmp_path)


def test_a_file_that_is_not_there_or_was_made_with_another_floor_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"logistic\.json: cannot be read"):
        Logistic().load(tmp_path)
    fitted(floor=0.1).save(tmp_path)
    with pytest.raises(StoreError, match=r"fitted with floor 0\.1, wanted 0\.01"):
        Logistic().load(tmp_path)


def test_a_minimum_that_is_not_found_is_an_error_in_words(monkeypatch):
    monkeypatch.setattr(regression, "MOST_STEPS", 1)
    with pytest.raises(TrainingError, match="found no minimum for 40 cases within 1 steps"):
        fitted()


@pytest.mark.parametrize("threshold", [0.5, 0.2])
def test_the_probability_of_a_finding_is_the_regression_s_whatever_the_threshold(threshold, tmp_path):
    found, _ = drawn(40, 0)
    fusion = fitted(threshold=threshold)
    content = stored(fusion, tmp_path)
    for of in found[:8]:
        features = [math.log((of[phase].relative_score + 0.01) / 1.01) for phase in PHASES]
        logit = content["intercept"] + sum(w * x for w, x in zip(content["weights"], features, strict=True))
        finding = fusion.fuse("P1", of, expected=PHASES)
        assert fusion.probability(finding) == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-12)
        assert (fusion.probability(finding) >= threshold) is finding.abnormal
    assert isinstance(fusion, ProbabilityPhaseFusion)


@pytest.mark.parametrize(("score", "wanted"), [(5e-324, 0.0), (1e308, 1.0)])
def test_the_largest_and_the_smallest_odds_have_a_probability(score, wanted):
    finding = CaseFinding("P1", score >= 1, score, (), {})
    assert Logistic(threshold=0.999).probability(finding) == wanted
