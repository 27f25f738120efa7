"""Folds: stratified, grouped by patient, seeded."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pnetkit.cohort.folds import assign_folds
from pnetkit.errors import CohortError
from pnetkit.types import Case


def case(index, patient=None, abnormal=None, fold=None):
    return Case(f"C{index:04}", patient or f"p{index}", {}, abnormal, fold=fold)


def test_the_papers_cohort_makes_four_folds_of_57_and_37():
    cases = [case(i, abnormal=i < 228) for i in range(376)]
    folds = assign_folds(cases, folds=4, seed=0)
    counts = Counter((folds[c.id], c.abnormal) for c in cases)
    assert all(counts[k, True] == 57 and counts[k, False] == 37 for k in range(4))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from([True, False, None])), min_size=1, max_size=40),
    st.integers(2, 5),
    st.integers(0, 5),
)
def test_every_case_has_one_fold_and_no_patient_has_two(rows, folds, seed):
    cases = [case(i, f"p{patient}", abnormal) for i, (patient, abnormal) in enumerate(rows)]
    if len({c.patient for c in cases}) < folds:
        with pytest.raises(CohortError, match=r"cannot fill|1 patient cannot be trained on and tested; add others, or"):
            assign_folds(cases, folds=folds, seed=seed)
        return
    dealt = assign_folds(cases, folds=folds, seed=seed)
    assert set(dealt) == {c.id for c in cases}
    assert set(dealt.values()) <= set(range(folds))
    for patient in {c.patient for c in cases}:
        assert len({dealt[c.id] for c in cases if c.patient == patient}) == 1


def test_the_order_of_the_table_does_not_matter_and_the_seed_does():
    cases = [case(i, abnormal=i % 2 == 0) for i in range(40)]
    one = assign_folds(cases, folds=4, seed=1)
    assert assign_folds(cases[::-1], folds=4, seed=1) == one
    assert assign_folds(cases, folds=4, seed=2) != one


def test_strata_differ_by_one_case_at_most_when_every_patient_has_one():
    cases = [case(i, abnormal=[True, False, None][i % 3]) for i in range(50)]
    dealt = assign_folds(cases, folds=4, seed=0)
    for abnormal in (True, False, None):
        sizes = Counter(dealt[c.id] for c in cases if c.abnormal is abnormal)
        assert max(sizes.values()) - min(sizes.values()) <= 1
    sizes = Counter(dealt.values())
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_given_folds_win():
    cases = [case(i, fold=i % 3) for i in range(9)]
    assert assign_folds(cases, folds=4, seed=0) == {c.id: c.fold for c in cases}
