"""Tables that come with sets: what is read of them, and what is refused of files that mean harm."""

import pytest

from pnetkit.cohort import spreadsheet
from pnetkit.cohort.spreadsheet import column, read_table
from pnetkit.errors import CohortError
from tests.cohort.xlsx import write_xlsx


def test_cells_of_a_spreadsheet_keep_their_columns_where_others_are_empty(tmp_path):
    path = write_xlsx(tmp_path / "a.xlsx", [["ID", "ct phase", "n"], ["A", None, 3], ["B", "Venous & late", 0.5]])
    assert read_table(path) == [
        {"ID": "A", "ct phase": "", "n": "3"},
        {"ID": "B", "ct phase": "Venous & late", "n": "0.5"},
    ]


def test_runs_of_a_text_are_joined_and_texts_within_cells_are_read(tmp_path):
    texts = "<sst><si><r><t>I</t></r><r><t>D</t></r><rPh><t>x</t></rPh></si></sst>"
    sheet = (
        '<worksheet><sheetData><row><c t="s"><v>0</v></c></row><row/><row><c t="inlineStr"><is><t>A</t></is></c>'
        "</row></sheetData></worksheet>"
    )
    assert read_table(write_xlsx(tmp_path / "a.xlsx", [], texts=texts, sheet=sheet)) == [{"ID": "A"}]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_texts_may_be_separated_by_commas_semicolons_or_tabs(tmp_path, separator):
    path = tmp_path / "meta.csv"
    path.write_text(f"image_id{separator}split\ns0000{separator} train\n", encoding="utf-8-sig")
    assert read_table(path) == [{"image_id": "s0000", "split": "train"}]


def test_columns_are_found_whatever_their_capitals_and_signs():
    rows = [{"CT_Phase": "", "tumor?": "", "site detail": ""}]
    assert column(rows, "phase", "ct phase") == "CT_Phase"
    assert column(rows, "tumor?") == "tumor?"
    assert column(rows, "site") is None


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><sst><si><t>&c;</t></si></sst>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><sst><si><t>&b;</t></si></sst>'


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"texts": BOMB}, "declares a document type"),
        ({"texts": OUTSIDE}, "declares a document type"),
        ({"links": '<!DOCTYPE a SYSTEM "http://x/"><a/>'}, "declares a document type"),
        ({"texts": "<sst><si>"}, "no element found"),
        ({"links": '<a><Relationship Id="rId7" Target="../../etc/passwd"/></a>'}, "no item named"),
        ({"texts": "<sst/>"}, "cannot be read"),
        ({"workbook": "<workbook/>"}, "has no sheet"),
    ],
)
def test_a_spreadsheet_that_means_harm_or_is_damaged_is_refused(tmp_path, parts, reason):
    path = write_xlsx(tmp_path / "a.xlsx", [["ID"], ["A"]], **parts)
    with pytest.raises(CohortError, match=reason):
        read_table(path)


def test_what_unpacks_to_more_than_a_spreadsheet_has_is_refused(tmp_path, monkeypatch):
    path = write_xlsx(tmp_path / "a.xlsx", [["ID"], ["A" * 100_000]])
    assert path.stat().st_size < 3000
    monkeypatch.setattr(spreadsheet, "MOST_BYTES", 90_000)
    with pytest.raises(CohortError, match="unpacks to more than 90,000 bytes"):
        read_table(path)


def test_a_cell_far_to_the_right_in_each_row_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(spreadsheet, "MOST_CELLS", 20_000)
    sheet = "".join(f'<row><c r="ZZZ{n}"><v>1</v></c></row>' for n in range(1, 9))
    with pytest.raises(CohortError, match="more than 20,000 cells"):
        read_table(write_xlsx(tmp_path / "a.xlsx", [], sheet=f"<worksheet>{sheet}</worksheet>"))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.xlsx", b"no zip", "not a zip file"),
        ("a.csv", b"id;split\n", "has no rows"),
        ("a.csv", b"id;id\n1;2\n", "column 'id' twice"),
        ("a.csv", b"\xff\xfe", "cannot be read"),
        ("nowhere/a.csv", None, "No such file"),
    ],
)
def test_what_is_no_table_is_said(tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CohortError, match=reason):
        read_table(tmp_path / name)


def test_a_table_whose_rows_would_grow_beyond_all_bounds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(spreadsheet, "MOST_CELLS", 20)
    path = tmp_path / "wide.csv"
    path.write_text(",".join("abcde") + "\n" + "1\n" * 4)
    with pytest.raises(CohortError, match="has 5 columns and 5 rows, more than 20 cells"):
        read_table(path)
