"""Tests of pnetkit.cli.fitting: tables at any width, with no word and no figure broken."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pnetkit.cli.fitting import Sheet, fit, wrapped
from pnetkit.evaluation.comparison import Call, CaseTruth, compare_arms
from pnetkit.evaluation.lesions import Lesion, LesionMatch, summarize_lesions
from pnetkit.report.comparison import FUSED, arms_table, differences_table, lesions_table, seeds_table
from pnetkit.report.reference import published_table
from pnetkit.report.tables import Table
from tests.widths import WIDTHS, require_readable

ARMS = Sheet(("Method", "Wrong calls", "Tumor %"), (("s4c", "1/4", "80.1 ± 3.2"), ("unet3d", "2/4", "79.0")))
PROSE = Sheet(
    ("kind", "name", "purpose"), (("fusion", "or", "One phase is enough."), ("fusion", "and", "It takes all of them.")),
    names=2, prose=("purpose",),
)  # fmt: skip


def text(sheet, width):
    return "\n".join(line.text for line in fit(sheet, width))


def test_a_table_stays_as_it_is_where_there_is_room():
    whole = "Method  Wrong calls  Tumor %\ns4c     1/4          80.1 ± 3.2\nunet3d  2/4          79.0"
    assert text(ARMS, None) == text(ARMS, 31) == whole


def test_heads_are_folded_first():
    assert text(ARMS, 30) == (
        "        Wrong\n"
        "Method  calls  Tumor %\n"
        "s4c     1/4    80.1 ± 3.2\n"
        "unet3d  2/4    79.0"
    )  # fmt: skip


def test_then_a_table_is_split_into_parts_that_repeat_the_names():
    assert text(ARMS, 20) == (
        "        Wrong\n"
        "Method  calls\n"
        "s4c     1/4\n"
        "unet3d  2/4\n"
        "\n"
        "Method  Tumor %\n"
        "s4c     80.1 ± 3.2\n"
        "unet3d  79.0"
    )  # fmt: skip


def test_then_rows_stand_one_after_the_other_with_figures_whole():
    assert text(ARMS, 17) == (
        "Method: s4c\n"
        "  Wrong calls:\n"
        "    1/4\n"
        "  Tumor %:\n"
        "    80.1 ± 3.2\n"
        "\n"
        "Method: unet3d\n"
        "  Wrong calls:\n"
        "    2/4\n"
        "  Tumor %: 79.0"
    )  # fmt: skip


def test_a_single_row_is_never_split_into_parts():
    one = Sheet(ARMS.columns, ARMS.rows[:1])
    assert text(one, 20) == "Method: s4c\n  Wrong calls: 1/4\n  Tumor %:\n    80.1 ± 3.2"


def test_prose_is_folded_in_its_column_while_that_is_wide_enough():
    sheet = Sheet(
        PROSE.columns, (("fusion", "or", "One phase is enough for a case to be called abnormal."),), 2, ("purpose",)
    )
    assert text(sheet, 50) == (
        "kind    name  purpose\n"
        "fusion  or    One phase is enough for a case to be\n"
        "              called abnormal."
    )  # fmt: skip


def test_prose_stands_below_its_row_where_its_column_would_be_narrow():
    assert text(PROSE, 24) == (
        "kind    name\n"
        "  purpose\n"
        "fusion  or\n"
        "  One phase is enough.\n"
        "fusion  and\n"
        "  It takes all of them."
    )  # fmt: skip


def test_a_rule_is_drawn_in_every_layout():
    ruled = Sheet(ARMS.columns, ARMS.rows, rules=(1,))
    assert [text(ruled, width).count("---") > 0 for width in (None, 30, 20, 17)] == [True] * 4


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ("at 82.46 [77.0, 86.8] now", ["at 82.46", "[77.0, 86.8]", "now"]),
        ("Dice 80.1 ± 3.2", ["Dice", "80.1 ± 3.2"]),
        ("+1.2 p=0.1 (0.2)", ["+1.2", "p=0.1 (0.2)"]),
        ("a of 95 % of", ["a of 95 % of"]),
        ("only just 95 % of", ["only just", "95 % of"]),
        ("overlong-as-a-word", ["overlong-as-a-word"]),
        ("", [""]),
    ],
)
def test_figures_are_not_parted_from_what_belongs_to_them(given, lines):
    assert wrapped(given, 12) == lines


def calls(of):
    return {
        case: Call(score >= 1, float(score), {"pancreas": 0.91, "tumor": 0.5})
        for case, score in zip(TRUTH, of, strict=True)
    }


TRUTH = {f"case-{i}": CaseTruth(i % 2 == 0, i) for i in range(8)}
COMPARISON = compare_arms(
    TRUTH,
    {"s4c_dual": calls([2, 0, 2, 0, 0, 0, 2, 2]), "roi_classifier_dual (runs-1)": calls([2, 0, 2, 0, 2, 0, 2, 0])},
    baseline="s4c_dual",
)
LESIONS = summarize_lesions([LesionMatch((Lesion(9, 8.0, 5.0, 0.4), Lesion(99, 25.0, 0.0, 0.0)), (3.0,))])
REPORTS = [
    *(published_table(view) for view in ("venous", "arterial", FUSED)),
    *(arms_table(COMPARISON, view, cohort="phantoms", reference=True) for view in ("venous", FUSED)),
    *(differences_table(COMPARISON, view) for view in ("venous", FUSED)),
    lesions_table({arm: {"any": LESIONS, "iou": LESIONS} for arm in ("s4c", "unet")}, "venous", cohort="phantoms"),
    seeds_table({"s4c": [(0, COMPARISON.arms[0]), (1, COMPARISON.arms[1])]}, "venous", cohort="phantoms"),
]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("table", REPORTS, ids=lambda table: table.title)
def test_tables_of_a_comparison_can_be_read_at_any_width(table: Table, width):
    printed = text(Sheet(table.columns, table.rows, table.names, rules=table.rules), width)
    require_readable(printed, [*table.columns, *(cell for row in table.rows for cell in row)], width)
    cells = [cell for row in table.rows for cell in row if len(cell) <= width - 4]
    assert not [cell for cell in cells if not any(cell in line for line in printed.splitlines())]


WORDS = st.text("abcdef[]%±1.", min_size=1, max_size=12)
CELLS = st.lists(WORDS, max_size=6).map(" ".join)


@settings(max_examples=100)
@given(st.data(), st.integers(1, 4), st.integers(0, 4), st.integers(12, 100))
def test_no_table_is_wider_than_it_may_be_or_loses_a_word(data, count, rows, width):
    columns = tuple(data.draw(st.tuples(*[WORDS] * count)))
    cells = tuple(data.draw(st.lists(st.tuples(*[CELLS] * count), min_size=rows, max_size=rows)))
    names = data.draw(st.integers(1, count))
    prose = tuple({name for name in columns[names:] if data.draw(st.booleans())})
    sheet = Sheet(columns, cells, names, prose if len(set(columns)) == count else ())
    for line in (printed := text(sheet, width)).splitlines():
        pieces = wrapped(line, 1)  # what may not be broken
        assert len(line) <= width or len(pieces) == 1, (line, pieces)
    assert not [word for row in cells for cell in row for word in cell.split() if word not in printed]
