"""Fusing rows: a fusion that learns never learns from the fold it decides, and says where it could not learn."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pnetkit.errors import TrainingError
from pnetkit.evaluation.summary import CaseRow, PhaseRow
from pnetkit.method import fusion
from pnetkit.method.fusion import fit_fusion, fold_faults
from pnetkit.method.plugins import identify
from pnetkit.pipeline.outcome import fusing
from pnetkit.pipeline.outcome.attempts import Attempts
from pnetkit.pipeline.outcome.fusing import fuse_rows, fusion_in_words
from pnetkit.types import CaseFinding, PhaseFinding

PHASES = ("arterial", "venous")
LOGISTIC = identify("phase-fusion", "logistic", {})


def row(number, abnormal, fold, scores=None, status="ok"):
    scores = {"arterial": number / 7, "venous": number / 3} if scores is None else scores
    phases = {phase: PhaseRow(PhaseFinding(phase, float(score), 1.0), {}, None) for phase, score in scores.items()}
    return CaseRow(f"P{number}", abnormal, fold, status, "", phases, None)


def eight():
    return [row(i, bool(i // 2 % 2), i % 2) for i in range(8)]


class Spy:
    """Remembers the arterial scores that it was fitted on, which tell the cases apart, and gives their number."""

    def fit(self, findings, abnormal, *, expected, seed):
        self.learned = {
            round(found["arterial"].score * 7): (called, expected, seed)
            for found, called in zip(findings, abnormal, strict=True)
        }

    def fuse(self, case_id, findings, *, expected):  # noqa: ARG002
        return CaseFinding(case_id, False, 0.5, (), findings, ())

    def save(self, folder):
        pass

    def load(self, folder):
        pass


def learned_from(rows, monkeypatch):
    for module in (fusing, fusion):
        monkeypatch.setattr(module, "build", lambda _: Spy())
    _, fitted = fuse_rows(rows, {"plugin": "spy"}, PHASES, seed=5, attempts=Attempts())
    return {fold: found.fusion.learned for fold, found in fitted.items()}


def test_a_fusion_does_not_learn_from_cases_that_are_held_out(monkeypatch):
    rows = [replace(row(i, bool(i % 2), i % 3), held_out=i >= 9) for i in range(12)]
    learned = learned_from(rows, monkeypatch)
    assert {fold: set(of) for fold, of in learned.items()} == {
        fold: {i for i in range(9) if i % 3 != fold} for fold in range(3)
    }


def test_each_fold_s_fusion_learns_from_all_diagnosed_cases_of_the_other_folds_and_from_no_other(monkeypatch):
    rows = [row(i, bool(i % 2), i % 3) for i in range(12)]
    rows[4] = replace(rows[4], abnormal=None)
    rows[5] = replace(rows[5], status="failed")
    learned = learned_from([*rows, CaseRow("bad", True, None, "quarantined", "", {}, None)], monkeypatch)
    assert learned.keys() == {0, 1, 2}
    for fold, cases in learned.items():
        assert cases.keys() == {i for i in range(12) if i % 3 != fold and i not in (4, 5)}
        assert all(called == bool(i % 2) for i, (called, _, _) in cases.items())
        assert {expected for _, expected, _ in cases.values()} == {PHASES}
    assert len({seed for cases in learned.values() for _, _, seed in cases.values()}) == 3


scores = st.floats(0, 50)


@pytest.mark.slow
@settings(max_examples=20)
@given(st.booleans(), scores, scores, st.integers(0, 7))
def test_nothing_of_a_case_changes_how_another_case_of_its_fold_is_decided(abnormal, arterial, venous, which):
    rows = eight()
    changed = list(rows)
    changed[which] = row(which, abnormal, which % 2, {"arterial": arterial, "venous": venous})
    before, after = (
        fuse_rows(given_rows, LOGISTIC, PHASES, seed=0, attempts=Attempts())[0] for given_rows in (rows, changed)
    )
    for i in range(8):
        if i != which and i % 2 == which % 2:
            assert before[i].fused == after[i].fused


def test_cases_of_other_folds_do_change_it():
    rows = eight()
    changed = [replace(r, abnormal=not r.abnormal) if r.fold == 1 else r for r in rows]
    before, after = (
        fuse_rows(given_rows, LOGISTIC, PHASES, seed=0, attempts=Attempts())[0] for given_rows in (rows, changed)
    )
    assert before[0].fused.score != after[0].fused.score


def test_a_fold_whose_others_hold_one_diagnosis_fails_in_words_and_the_rest_is_decided():
    rows = [row(i, i in (0, 3), i % 3) for i in range(9)]  # both abnormal cases are in fold 0
    fused, fitted = fuse_rows(rows, LOGISTIC, PHASES, seed=0, attempts=Attempts())
    assert [r.status for r in fused] == ["failed", "ok", "ok"] * 3
    assert "fusion of fold 0 has not learned: 'logistic' learns from normal and abnormal cases, and no abnormal" in (
        fused[0].reason
    )
    assert fitted[0].fusion is None
    assert fusion_in_words("logistic", fitted).endswith(
        "(6 cases), none of them its own. For 1 of 3 folds it could not."
    )


def test_a_fusion_s_own_refusal_to_learn_is_the_reason_of_its_fold_s_failure():
    strict = identify("phase-fusion", "logistic", {"missing": "refuse"})
    rows = [*eight(), row(8, True, 2, {"venous": 1.0})]
    rows = [replace(r, phases={"venous": r.phases["venous"]}) if r.abnormal else r for r in rows]
    fused, fitted = fuse_rows(rows, strict, PHASES, seed=0, attempts=Attempts())
    assert all("got" in found.fault and "0 of them abnormal" in found.fault for found in fitted.values())
    assert {r.status for r in fused} == {"failed"}


def test_a_case_that_lacks_a_phase_is_learned_from_and_decided():
    rows = [*eight(), row(8, True, 0, {"venous": 4.0})]
    fused, fitted = fuse_rows(rows, LOGISTIC, PHASES, seed=0, attempts=Attempts())
    assert fused[8].fused.missing == ("arterial",)
    assert fitted[1].cases == 5


def test_a_rule_learns_nothing_and_is_said_to_learn_nothing():
    fused, fitted = fuse_rows(eight(), identify("phase-fusion", "or", {}), PHASES, seed=0, attempts=Attempts())
    assert fitted == {}
    assert fusion_in_words("or", fitted) == ""
    assert [r.fused.abnormal for r in fused] == [i >= 3 for i in range(8)]


def test_a_case_without_any_phase_fails_and_a_failed_one_stays_as_it_was():
    rows = [*eight(), row(8, None, 0, {}), row(9, None, 0, status="failed")]
    fused, _ = fuse_rows(rows, LOGISTIC, PHASES, seed=0, attempts=Attempts())
    assert fused[8].status == "failed"
    assert "lacks arterial, venous" in fused[8].reason
    assert fused[9] == rows[9]


def test_folds_that_cannot_be_learned_for_are_found_before_anything_is_trained():
    folds = {f"P{i}": i % 2 for i in range(6)}
    assert fold_faults("logistic", {case: i // 2 % 2 == 0 for i, case in enumerate(folds)}, folds) == []
    (fault,) = fold_faults("logistic", {case: True if fold else None for case, fold in folds.items()}, folds)[:1]
    assert fault.where == "fusion, fold 0"
    assert "'logistic' learns from the cases of the other folds, and no normal case is among them" in fault.message


def test_a_rule_is_not_fitted():
    cases = [({"venous": PhaseFinding("venous", 1.0, 1.0)}, called) for called in (True, False)]
    with pytest.raises(TypeError, match="or is not a fusion that can be fitted"):
        fit_fusion(identify("phase-fusion", "or", {}), cases, ("venous",), seed=0)
    with pytest.raises(TrainingError, match="no normal and no abnormal case"):
        fit_fusion(LOGISTIC, [], ("venous",), seed=0)


def test_a_logistic_fusion_s_cases_have_a_probability_and_a_rule_s_have_none():
    rows, _ = fuse_rows(eight(), LOGISTIC, PHASES, seed=0, attempts=Attempts())
    assert all(of.probability == pytest.approx(of.fused.score / (1 + of.fused.score)) for of in rows)
    rows, _ = fuse_rows(eight(), identify("phase-fusion", "or", {}), PHASES, seed=0, attempts=Attempts())
    assert {of.probability for of in rows} == {None}


def test_a_fusion_that_says_what_is_no_probability_costs_its_case_and_no_other(monkeypatch):
    class Strange(Spy):
        def probability(self, finding):
            return 3.0 if finding.case_id == "P1" else 0.5

    for module in (fusing, fusion):
        monkeypatch.setattr(module, "build", lambda _: Strange())
    rows, _ = fuse_rows(eight(), {"plugin": "strange"}, PHASES, seed=0, attempts=Attempts())
    assert [of.case_id for of in rows if of.status == "failed"] == ["P1"]
    assert "a probability lies from 0 to 1, the fusion says 3.0" in rows[1].reason
    assert rows[0].probability == 0.5
