"""Finished runs side by side: who is one patient, and in what their cohorts differ."""

from pathlib import Path

from pnetkit.evaluation.comparison import CaseTruth
from pnetkit.pipeline.outcome.finished import FinishedRun, differences, shared_truth


def a_run(name, **patients):
    """Make a run of cases by their patients' numbers, all in fold 0."""
    cases = {case: {"abnormal": True, "patient": of, "fold": 0, "files": {}} for case, of in patients.items()}
    record = {"cases": cases, "labels": {}}
    return FinishedRun(name, Path(name), record, {c: CaseTruth(True, p) for c, p in patients.items()}, {}, {}, {})


def patients_of(*runs):
    return {case: of.patient for case, of in shared_truth(runs).items()}


def test_strangers_of_two_runs_are_two_patients_whatever_their_numbers():
    found = patients_of(a_run("one", a=0, b=1), a_run("two", x=0, y=1, z=1))
    assert found["a"] != found["x"]
    assert found["y"] == found["z"]
    assert len(set(found.values())) == 4


def test_a_case_of_two_runs_ties_its_patient():
    found = patients_of(a_run("one", a=0, b=1), a_run("two", b=0, c=0, d=1))
    assert found["b"] == found["c"]
    assert found["d"] not in (found["a"], found["b"])


def test_the_numbers_of_runs_on_one_cohort_stay_as_they_are():
    assert patients_of(a_run("one", a=0, b=1, c=1), a_run("two", a=0, b=1, c=1)) == {"a": 0, "b": 1, "c": 1}


def test_a_case_less_does_not_make_all_others_those_of_other_patients():
    said = [str(fault) for fault in differences([a_run("one", a=0, b=1, c=1), a_run("two", b=0, c=0)])]
    assert said == ["two and one: the first of them lacks 1 case (a)"]
    said = [str(fault) for fault in differences([a_run("one", a=0, b=1, c=1), a_run("two", a=0, b=1, c=2)])]
    assert said == ["two and one: the patients of 2 cases differ (b, c)"]
