"""Tests of pnetkit.report.comparison and reference: arms side by side, the published rows set apart."""

import pytest

from pnetkit.evaluation.comparison import Call, CaseTruth, compare_arms
from pnetkit.report.comparison import FUSED, arms_table, differences_table
from pnetkit.report.reference import PUBLISHED, published_table, smallest_p
from pnetkit.report.tables import NOTHING

TRUTH = {f"c{i}": CaseTruth(i % 2 == 0, i) for i in range(8)}


def calls(*scores):
    return {
        case: Call(score >= 1, float(score), {"pancreas": 0.9, "tumor": None if i % 2 else 0.5})
        for i, (case, score) in enumerate(zip(TRUTH, scores, strict=True))
    }


COMPARISON = compare_arms(
    TRUTH, {"base": calls(2, 0, 2, 0, 0, 0, 2, 2), "other": calls(2, 0, 2, 0, 2, 0, 2, 0)}, baseline="base"
)


def test_each_arm_has_a_row_with_counts_and_intervals():
    table = arms_table(COMPARISON, "venous", cohort="phantoms")
    assert [row[0] for row in table.rows] == ["base", "other"]
    assert table.rows[0][table.columns.index("Misses")] == "1/4"
    assert table.rows[0][table.columns.index("Sensitivity % [95 % CI]")] == "75.00 [30.1, 95.4]"
    assert table.rows[1][table.columns.index("AUC [95 % CI]")] == "1.000"
    assert table.rows[0][table.columns.index("Tumor %")] == "50.00 ± 0.00"
    assert any("Cohort: phantoms" in note and "Research use only" in note for note in table.notes)


def test_the_fused_view_has_no_overlaps():
    assert "Tumor %" not in arms_table(COMPARISON, FUSED, cohort="phantoms").columns


def test_differences_name_p_values_and_cases():
    table = differences_table(COMPARISON, "venous")
    ((arm, sensitivity, *_),) = table.rows
    assert arm == "other"
    assert sensitivity.startswith("+25.0 [")
    assert "p=1.000 (1.000)" in sensitivity
    assert "Right alone: other 2 (c4, c7); base none." in table.notes


def test_published_rows_are_set_apart_and_marked_as_another_cohort():
    table = arms_table(COMPARISON, FUSED, cohort="phantoms", reference=True)
    assert table.rules == (2,)
    assert [row[0] for row in table.rows[2:]] == [
        "S4C (published)", "3D UNet (published)", "VNet (published)", "Classification (published)"
    ]  # fmt: skip
    assert table.rows[2][1:5] == ("24/228", "89.47 [84.8, 92.8]", "28/148", "81.08 [74.0, 86.6]")
    assert table.rows[2][-1] == NOTHING
    assert any("another cohort" in note for note in table.notes)


PAPER = {
    "venous": [("87.41", "84.69", "43.11"), ("87.70", "83.84", "41.43"), ("86.76", "83.90", "40.67")],
    "arterial": [("81.78", "83.34", "42.49"), ("82.47", "83.33", "42.58"), ("83.85", "82.79", "39.22")],
}
"""N.Pancreas, A.Pancreas and Tumor of the paper's Table 1, rows in its order."""


@pytest.mark.parametrize("view", PAPER)
def test_published_dice_are_table_1_s_and_their_missing_spread_is_said(view):
    beside, alone = arms_table(COMPARISON, view, cohort="phantoms", reference=True), published_table(view)
    for table in (beside, alone):
        at = table.columns.index("N.Pancreas %")
        assert table.columns[at : at + 3] == ("N.Pancreas %", "A.Pancreas %", "Tumor %")
        assert [row[at : at + 3] for row in table.rows[-3:]] == PAPER[view]
        assert any("gives no spread" in note for note in table.notes)
        assert not any("not given" in note for note in table.notes)


def test_a_fused_decision_has_no_published_dice():
    for table in (arms_table(COMPARISON, FUSED, cohort="phantoms", reference=True), published_table(FUSED)):
        assert not any("Tumor" in column for column in table.columns)
        assert not any("Dice" in note for note in table.notes)


@pytest.mark.parametrize(
    ("errors", "other", "p"), [(24, 24, 1.0), (24, 29, 0.0625), (24, 30, 0.03125), (28, 37, 0.00390625)]
)
def test_errors_that_differ_by_five_can_never_be_significant(errors, other, p):
    from statsmodels.stats.contingency_tables import mcnemar

    assert smallest_p(errors, other) == p
    assert mcnemar([[0, max(other - errors, 0)], [max(errors - other, 0), 0]], exact=True).pvalue == pytest.approx(p)


def test_the_published_table_alone_says_what_cannot_be_significant():
    table = published_table(FUSED)
    assert len(table.rows) == 4
    assert any(
        note.startswith("S4C and Classification: sensitivity cannot differ significantly, specificity cannot")
        for note in table.notes
    )
    assert [len(published_table(view).notes) for view in ("venous", "arterial", FUSED)] == [1 + 1 + 3, 1 + 1 + 3, 1 + 6]
    assert {row.view for row in PUBLISHED} == {"venous", "arterial", "fused"}


def test_an_arm_that_says_the_same_is_not_tested():
    same = calls(2, 0, 2, 0, 0, 0, 2, 2)
    found = compare_arms(TRUTH, {"base": same, "twin": dict(same)}, baseline="base")
    assert set(differences_table(found, "venous").rows[0][1:]) == {"the same"}


def test_undecided_cases_and_warnings_are_said():
    partial = {case: call for case, call in calls(2, 0, 2, 0, 0, 0, 2, 2).items() if case != "c3"}
    found = compare_arms(TRUTH, {"partial": partial})
    notes = arms_table(found, "venous", cohort="phantoms", warnings=["COMPARED ANYWAY: folds."]).notes
    assert notes[0] == "COMPARED ANYWAY: folds."
    assert "Cases that an arm did not decide are in no figure of it: partial 1." in notes


def test_lesions_are_counted_by_criterion_size_and_false_positives():
    from pnetkit.evaluation.lesions import Lesion, LesionMatch, summarize_lesions
    from pnetkit.report.comparison import lesions_table

    match = LesionMatch((Lesion(9, 8.0, 5.0, 0.4), Lesion(99, 25.0, 0.0, 0.0)), (3.0,))
    table = lesions_table({"s4c": {"any": summarize_lesions([match])}}, "venous", cohort="phantoms")
    ((arm, criterion, found, small, middle, large, wrong, *froc),) = table.rows
    assert (arm, criterion, found) == ("s4c", "any overlap", "1/2, 50.00 [9.5, 90.5]")
    assert (small, middle, large, wrong) == ("1/1", "0/0", "0/1", "1.00")
    assert froc == ["50.0"] * 4
