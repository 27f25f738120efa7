"""Tests of the figures and the order of cases of a finished run's page."""

from itertools import pairwise
from pathlib import Path

from pnetkit.evaluation.comparison import Call, CaseTruth
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.pipeline.outcome.pages.cases import sorted_cases
from pnetkit.pipeline.outcome.pages.names import names_of
from pnetkit.pipeline.outcome.pages.parts import flow_of, folds_part, phases_part, results_part


def line(case, abnormal, arterial, venous, *, status="ok", fold="0", reason=""):
    """A case's line: scores of its phases, None where there is no scan."""
    of = {"case_id": case, "abnormal": abnormal, "fold": fold, "status": status, "reason": reason}
    for phase, score in (("arterial", arterial), ("venous", venous)):
        of |= {f"{phase}_score": "", f"{phase}_called_abnormal": ""}
        if score is not None:
            of |= {f"{phase}_score": str(score), f"{phase}_called_abnormal": str(int(score >= 1))}
    best = max(score or 0.0 for score in (arterial, venous))
    decided = status == "ok"
    return of | {"score": str(best) if decided else "", "called_abnormal": str(int(best >= 1)) if decided else ""}


def a_run(*lines):
    truth = {"1": True, "0": False, "": None}
    fused = {of["case_id"]: Call(of["called_abnormal"] == "1", float(of["score"]), {}) for of in lines if of["score"]}
    by_phase = {
        phase: {
            of["case_id"]: Call(of[f"{phase}_called_abnormal"] == "1", float(of[f"{phase}_score"]), {"pancreas": 0.5})
            for of in lines
            if of[f"{phase}_score"]
        }
        for phase in ("arterial", "venous")
    }
    record = {"inputs": {"arterial": ["arterial"], "venous": ["venous"]}, "cohort": "generated phantoms"}
    known = {of["case_id"]: CaseTruth(truth[of["abnormal"]], number) for number, of in enumerate(lines)}
    return FinishedRun("s4c", Path(), record, known, fused, by_phase, {}, lines)


LINES = (
    line("hit", "1", 4.0, 2.0),
    line("one", "1", 4.0, 0.2, fold="1"),
    line("near miss", "1", 0.9, 0.1),
    line("miss", "1", 0.1, None, fold="1"),
    line("alarm", "0", 0.0, 1.5),
    line("normal", "0", 0.3, 0.2, fold="1"),
    line("unknown", "", 2.0, 2.0),
    line("broken", "0", None, None, status="failed", reason="segment of broken venous: out of memory; and more"),
    line(
        "aside",
        "1",
        None,
        None,
        status="quarantined",
        fold="",
        reason="case aside, venous: /data/x/aside.nii.gz: cut short",
    ),
)


def test_the_numbers_of_the_flow_add_up_and_reasons_are_counted():
    steps = flow_of(a_run(*LINES), names_of([of["case_id"] for of in LINES], pseudonyms=False))
    assert [(step.title, step.count, step.left) for step in steps] == [
        ("Given", 9, 1), ("Analyzed", 8, 1), ("Decided", 7, 1), ("In the rates", 6, 0),
    ]  # fmt: skip
    for step, following in pairwise(steps):
        assert step.count - step.left == following.count
        assert sum(count for _, count in step.reasons) == step.left
    assert steps[0].reasons == (("venous: the file: cut short", 1),)
    assert steps[1].reasons == (("segment of venous: out of memory", 1),)
    assert "venous: 6 with a finding, 1 without" in steps[2].details


def test_what_matters_comes_first_and_the_nearest_to_the_threshold_within():
    assert [(group, of["case_id"]) for group, of in sorted_cases(a_run(*LINES))] == [
        ("missed", "near miss"),
        ("missed", "miss"),
        ("false alarm", "alarm"),
        ("not decided", "aside"),
        ("not decided", "broken"),
        ("one phase only", "one"),
        ("unknown", "unknown"),
        ("found", "hit"),
        ("left alone", "normal"),
    ]


def test_the_joint_table_counts_every_decided_case_of_known_diagnosis_once():
    rows = phases_part(a_run(*LINES)).tables[0].rows
    assert rows == (
        ("fired", "fired", "1", "0", "1"),
        ("fired", "not", "1", "0", "1"),
        ("not", "fired", "0", "1", "1"),
        ("not", "not", "1", "1", "2"),
        ("a phase missing", "", "1", "0", "1"),
        ("all", "", "4", "2", "6"),
    )


def test_both_tables_have_intervals_of_rates_and_areas():
    first, second = results_part(a_run(*LINES)).tables
    assert [row[0] for row in first.rows] == ["arterial", "venous"]
    row = dict(zip(second.columns, second.rows[0], strict=True))
    assert row["Sensitivity % [95 % CI]"] == "50.00 [15.0, 85.0]"
    assert row["AUC [95 % CI]"].startswith("0.625 [")


def test_folds_stand_with_their_counts():
    says = folds_part(a_run(*LINES)).figures[0].says
    assert "sensitivity, fold 0 1/2, 50.0 %" in says
    assert "specificity, fold 1 1/1, 100.0 %" in says
