"""Folds: stratified, grouped by patient, seeded."""

import hashlib
from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pnetkit.cohort.folds import assign_folds
from pnetkit.errors import CohortError
from pnetkit.types import Case


def case(index, patient=None, abnormal=None, fold=None, held_out=False):
    return Case(f"C{index:04}", patient or f"p{index}", {}, abnormal, fold=fold, held_out=held_out)


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


COHORT = st.lists(st.tuples(st.integers(0, 30), st.sampled_from([True, False, None])), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(COHORT, COHORT, st.integers(2, 3), st.integers(0, 5))
def test_a_stable_dealing_is_moved_by_no_further_case(rows, more, folds, seed):
    every = [case(i, f"p{patient}", abnormal) for i, (patient, abnormal) in enumerate(rows + more)]
    try:
        before = assign_folds(every[: len(rows)], folds=folds, seed=seed, dealing="stable")
    except CohortError as error:
        assume("stable dealing leaves" not in str(error) and "cannot fill" not in str(error))
        assume("1 patient cannot" not in str(error))
        raise
    after = assign_folds(every[::-1], folds=folds, seed=seed, dealing="stable")
    assert {of: after[of] for of in before} == before
    for patient in {c.patient for c in every}:
        assert len({after[c.id] for c in every if c.patient == patient}) == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(300, 600), st.floats(0.2, 0.8), st.integers(2, 5), st.integers(0, 10**6))
def test_a_stable_dealing_spreads_each_diagnosis_as_its_bound_says(patients, share, folds, seed):
    cases = [case(i, abnormal=i < share * patients) for i in range(patients)]
    dealt = assign_folds(cases, folds=folds, seed=seed, dealing="stable")
    for abnormal in (True, False):
        of = Counter(dealt[c.id] for c in cases if c.abnormal is abnormal)
        n = sum(of.values())
        deviation = (n * (folds - 1)) ** 0.5 / folds
        assert all(abs(of[k] - n / folds) <= 6 * deviation for k in range(folds))


def test_the_seed_decides_a_stable_dealing_and_a_digest_makes_it_the_same_on_every_machine():
    cases = [case(i) for i in range(40)]
    dealt = assign_folds(cases, folds=4, seed=0, dealing="stable")
    by_hand = int(hashlib.sha256(b"0 p7").hexdigest(), 16) % 4
    assert dealt["C0007"] == by_hand
    assert assign_folds(cases, folds=4, seed=1, dealing="stable") != dealt


def test_a_fold_that_a_stable_dealing_leaves_empty_is_named():
    with pytest.raises(CohortError, match=r"leaves folds? .* of 9 without a patient to learn from \(9 patients\)"):
        assign_folds([case(i) for i in range(9)], folds=9, seed=0, dealing="stable")


@settings(max_examples=40, deadline=None)
@given(COHORT, COHORT, st.integers(0, 5), st.sampled_from(["even", "stable"]))
def test_cases_that_are_held_out_move_nobody_and_stay_with_their_patient(rows, more, seed, dealing):
    learned = [case(i, f"p{patient}", abnormal) for i, (patient, abnormal) in enumerate(rows)]
    learned += [case(i, f"q{i}", True) for i in range(900, 940)]  # enough for two folds in either way
    held_out = [case(100 + i, f"p{patient}", abnormal, held_out=True) for i, (patient, abnormal) in enumerate(more)]
    before = assign_folds(learned, folds=2, seed=seed, dealing=dealing)
    after = assign_folds([*held_out, *learned], folds=2, seed=seed, dealing=dealing)
    fewer = assign_folds([*held_out[1:], *learned], folds=2, seed=seed, dealing=dealing)
    assert {of: after[of] for of in before} == before
    assert {of: after[of] for of in fewer} == fewer
    for patient in {c.patient for c in held_out}:
        assert len({after[c.id] for c in [*held_out, *learned] if c.patient == patient}) == 1


def test_where_nothing_is_trained_a_stable_dealing_may_leave_folds_empty_and_is_the_same_dealing():
    few = [case(i) for i in range(3)]
    dealt = assign_folds(few, folds=8, seed=0, dealing="stable", may_be_empty=True)
    many = assign_folds([case(i) for i in range(60)], folds=8, seed=0, dealing="stable")
    assert dealt == {of.id: many[of.id] for of in few}
