"""Tests of pnetkit.report.page.matrix."""

from pnetkit.evaluation.agreement import standings
from pnetkit.report.page.matrix import matrix_of
from tests.evaluation.test_agreement import ARMS, TRUTH


def test_a_matrix_groups_cases_and_counts_what_each_column_has_right():
    matrix = matrix_of("Fused", list(ARMS), standings(TRUTH, ARMS), places={"t2": "case-1"})
    assert matrix.columns == (("a", "5 of 7 right"), ("b", "3 of 6 right"), ("c", "5 of 7 right"))
    assert [group.title for group in matrix.groups] == [
        "Methods disagree: 3 cases",
        "All that decided are wrong: 1 case",
        "Not decided by all, and nobody is wrong: 1 case",
        "All are right: 2 cases",
    ]
    rows = {row.name: row for group in matrix.groups for row in group.rows}
    assert list(rows) == ["t5", "t2", "n1", "t3", "t4", "t1", "n2"]
    assert rows["t2"].marks == ("right", "wrong", "right")
    assert rows["t4"].marks == ("right", "undecided", "right")
    assert (rows["t2"].anchor, rows["t5"].anchor) == ("case-1", "")
    assert matrix.note.endswith("Left out: 1 case of unknown diagnosis.")


def test_cases_of_unknown_diagnosis_alone_have_no_matrix():
    assert matrix_of("Fused", list(ARMS), standings({"u1": TRUTH["u1"]}, ARMS)) is None
