"""Which cases a training holds back: whole patients, abnormal ones and others in turn, by the seed."""

from pnetkit.cohort.check import CheckedCase
from pnetkit.pipeline.stages.held_back import held_back
from pnetkit.types import Case


def cohort(*patients):
    """Cases of patients, of which the letter in upper case is abnormal: `"A", "b", "A"` are three cases of two."""
    return [
        CheckedCase(Case(f"P{place}", name.lower(), {}, name.isupper()), {}, ()) for place, name in enumerate(patients)
    ]


def patients_of(cases, places):
    return {cases[place].case.patient for place in places}


def test_all_cases_of_a_patient_are_held_back_and_the_first_is_abnormal():
    cases = cohort("a", "B", "c", "B", "d", "a")
    for seed in range(5):
        assert held_back(cases, 1, seed=seed) == {1, 3}
        two = held_back(cases, 2, seed=seed)
        assert len(patients_of(cases, two)) == 2
        assert two >= {1, 3}
        assert not {0, 5} & two or {0, 5} <= two


def test_abnormal_patients_and_others_take_turns_as_long_as_there_are_both():
    cases = cohort(*"ABCDEfghij")
    for many, abnormal in ((1, 1), (2, 1), (4, 2), (5, 3), (10, 5)):
        found = held_back(cases, many, seed=3)
        assert len(found) == many
        assert sum(bool(cases[place].case.abnormal) for place in found) == abnormal
    assert held_back(cohort(*"abc"), 5, seed=0) == {0, 1, 2}


def test_the_seed_decides_and_no_name_does():
    cases, renamed = cohort(*"ABCDefgh"), cohort(*"HGFEdcba")
    found = [held_back(cases, 2, seed=seed) for seed in range(8)]
    assert len({frozenset(places) for places in found}) > 2
    assert [held_back(renamed, 2, seed=seed) for seed in range(8)] == found
