"""Tests of pnetkit.report.tables."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pnetkit.evaluation.summary import CaseRow, PhaseRow, summarize
from pnetkit.report.tables import NOTHING, Table, table_1, table_2, to_markdown
from pnetkit.types import CaseFinding, PhaseFinding

COHORT = "generated phantoms, seed 1 (synthetic, not clinical data)"
VOXELS = {"pancreas": 100, "tumor": 0, "duct": 0}


def phase_row(phase, score, dice):
    overlaps = None if dice is None else {"pancreas": dice[0], "tumor": dice[1], "duct": None}
    return PhaseRow(PhaseFinding(phase, float(score), 1.0), VOXELS, overlaps)


def case(name, abnormal, score, *, fold=0, status="ok", phases=("venous",), dice=None):
    fused = CaseFinding(name, score >= 1, float(score), (), {}) if status == "ok" else None
    return CaseRow(name, abnormal, fold, status, "", {phase: phase_row(phase, score, dice) for phase in phases}, fused)


def column(table, name):
    return [row[table.columns.index(name)] for row in table.rows]


def tables(rows, phases=("venous",)):
    metrics = summarize(rows, phases)
    return [make(metrics, method="S4C", cohort=COHORT) for make in (table_1, table_2)]


@pytest.fixture(name="paper", scope="module")
def paper_tables():
    """The paper's method: 40 misses and 12 wrong calls on venous scans, 44 and 21 on arterial, 24 and 28 fused."""

    def row(name, abnormal, index, venous, arterial):
        dice = (0.8, 0.4) if index % 2 else (0.9, 0.6)
        phases = {"arterial": phase_row("arterial", arterial, dice), "venous": phase_row("venous", venous, dice)}
        score = float(venous or arterial)
        return CaseRow(name, abnormal, index % 4, "ok", "", phases, CaseFinding(name, score >= 1, score, (), {}))

    # joint outcomes: 24 tumors missed in both phases, 16 in venous only, 20 in arterial only; 5 normals called in both
    tumors = [row(f"p{i}", True, i, i >= 40, i >= 60 or 24 <= i < 40) for i in range(228)]
    normals = [row(f"n{i}", False, i, i < 12, 7 <= i < 28) for i in range(148)]
    return tables(tumors + normals, ("arterial", "venous"))


def test_table_1_has_the_figures_of_the_paper(paper):
    table = paper[0]
    assert column(table, "Phase") == ["arterial", "venous"]
    assert column(table, "Misses") == ["44/228", "40/228"]
    assert column(table, "Sensitivity % [95 % CI]") == ["80.70 [75.1, 85.3]", "82.46 [77.0, 86.8]"]
    assert column(table, "Wrong calls") == ["21/148", "12/148"]
    assert column(table, "Specificity % [95 % CI]") == ["85.81 [79.3, 90.5]", "91.89 [86.4, 95.3]"]
    # scores of 0 and 1 only: the area is the mean of sensitivity and specificity, (188/228 + 136/148) / 2
    assert column(table, "AUC")[1] == "0.872"


def test_table_1_gives_dice_in_percent_with_the_sample_standard_deviation(paper):
    # 74 cases of .8 and 74 of .9: sd = .05 * sqrt(148 / 147)
    assert column(paper[0], "N.Pancreas %") == ["85.00 ± 5.02"] * 2
    assert column(paper[0], "A.Pancreas %") == ["85.00 ± 5.01"] * 2
    assert column(paper[0], "Tumor %") == ["50.00 ± 10.02"] * 2


def test_table_2_shows_the_fused_decision_of_the_paper(paper):
    table = paper[1]
    assert column(table, "Phases") == ["arterial & venous"]
    assert column(table, "Method") == ["S4C"]
    assert column(table, "Misses") == ["24/228"]
    assert column(table, "Sensitivity % [95 % CI]") == ["89.47 [84.8, 92.8]"]
    assert column(table, "Wrong calls") == ["28/148"]
    assert column(table, "Specificity % [95 % CI]") == ["81.08 [74.0, 86.6]"]


def test_table_2_gives_the_range_over_the_folds():
    rows = [
        *(case(f"a{i}", True, i < 1, fold=0) for i in range(4)),
        *(case(f"b{i}", True, i < 3, fold=1) for i in range(4)),
        case("n", False, 0, fold=1),
    ]
    table = tables(rows)[1]
    assert column(table, "Sens. by fold") == ["25 to 75"]
    assert column(table, "Spec. by fold") == ["100 to 100"]  # fold 0 has no normal case, and adds no 0


def test_every_table_says_what_the_cases_are_and_that_it_is_for_research():
    for table in tables([case("a", True, 2), case("b", None, 0)]):
        assert table.notes[0] == (
            f"Cohort: {COHORT}. 2 cases: 1 abnormal, 0 normal, 1 of unknown diagnosis (in no rate). "
            "Research use only, not for diagnosis."
        )


def test_every_table_says_how_many_cases_failed_or_were_quarantined():
    rows = [
        case("a", True, 2),
        case("b", True, 0, status="failed", phases=()),
        case("c", False, 0, status="quarantined", phases=(), fold=None),
        case("d", False, 0, status="quarantined", phases=(), fold=None),
    ]
    for table in tables(rows):
        assert "Not counted in the rates: 1 failed, 2 quarantined (see cases.csv)." in table.notes


def test_every_table_says_which_scans_are_missing():
    for table in tables([case("a", True, 2), case("b", False, 0)], ("arterial", "venous")):
        assert "Without a scan: 2 arterial." in table.notes


def test_an_undefined_dice_is_never_shown_as_zero_and_is_explained():
    rows = [
        case("a", True, 0, dice=(0.5, None)),
        case("b", True, 0, dice=(0.7, None)),
        case("n", False, 0),
    ]
    table = tables(rows)[0]
    assert column(table, "Tumor %") == [NOTHING]
    assert column(table, "N.Pancreas %") == [NOTHING]
    assert column(table, "A.Pancreas %") == ["60.00 ± 14.14"]
    assert table.notes[1:] == (
        "venous N.Pancreas: over 0 cases; 0 undefined (both empty), 1 without a reference label.",
        "venous Tumor: over 0 cases; 2 undefined (both empty), 0 without a reference label.",
    )


def test_a_dice_of_zero_is_shown_as_zero():
    table = tables([case("a", True, 0, dice=(0.0, 0.0)), case("b", True, 0, dice=(0.0, 0.0))])[0]
    assert column(table, "Tumor %") == ["0.00 ± 0.00"]


def test_one_case_has_a_dice_without_standard_deviation():
    assert column(tables([case("a", True, 0, dice=(0.5, 0.25))])[0], "Tumor %") == ["25.00"]


def test_rates_of_a_missing_class_are_not_shown_as_zero():
    for table in tables([case("a", False, 0)]):
        assert column(table, "Sensitivity % [95 % CI]") == [NOTHING]
        assert column(table, "AUC") == [NOTHING]
        assert column(table, "Wrong calls") == ["0/1"]


def test_an_empty_cohort_gives_tables_without_figures():
    for table in tables([]):
        assert column(table, "Specificity % [95 % CI]") == [NOTHING]
        assert "0 cases" in table.notes[0]


def test_complete_figures_need_no_further_note(paper):
    assert [len(table.notes) for table in paper] == [1, 1]


def test_markdown_letter_by_letter():
    table = Table("Table 9. Test", ("Phase", "AUC"), (("arterial", "0.9"), ("a|b", "-")), ("Cohort: 2.", "Research."))
    assert to_markdown(table).split("\n") == [
        "**Table 9. Test**",
        "",
        "| Phase | AUC |",
        "| --- | --- |",
        "| arterial | 0.9 |",
        r"| a\|b | - |",
        "",
        "Cohort: 2.  ",
        "Research.  ",
        "",
    ]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(*[st.text("ab|%. ", max_size=8)] * 2), max_size=4))
def test_markdown_rows_have_one_cell_for_each_column(cells):
    rows = [line for line in to_markdown(Table("t", ("a", "b"), tuple(cells), ("n",))).split("\n") if line[:1] == "|"]
    assert len(rows) == len(cells) + 2
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows)
