"""The checklists as data: every row once, filled lines with their source, and nothing where a run says nothing."""

import pytest

from pnetkit.report.sheet.values import RunValues, Said
from pnetkit.report.sheet.write import CHECKLISTS, answered, filled_in
from tests.report.sheet.runs import a_run

FILES = {"run.json", "recipe.yaml", "cases.csv", "metrics.json", "lesions.csv", "report.html", "run folder"}

ROWS = {
    "claim": [str(number) for number in range(1, 45)],
    "stard-ai": [
        *(str(number) for number in range(1, 15)),
        *(f"15{letter}" for letter in "abcd"),
        *(f"16{letter}" for letter in "abc"),
        *("17a", "17b"),
        *(str(number) for number in range(18, 26)),
        *("26a", "26b"),
        *(str(number) for number in range(27, 40)),
        *("40a", "40b"),
    ],
    "tripod-ai": [
        f"{number}{letter}"
        for number in range(1, 28)
        for letter in {
            3: "abc",
            5: "ab",
            6: "abc",
            8: "abc",
            9: "abc",
            12: "abcdefg",
            18: "abcdef",
            20: "abc",
            23: "ab",
            27: "abc",
        }.get(number, [""])
    ],
}
"""The rows as published: 44, 48 and 52."""


def said_of(run, checklist):
    return {item.number: answered(item, run) for item in CHECKLISTS[checklist].items}


@pytest.mark.parametrize("name", CHECKLISTS)
def test_every_published_row_is_there_once_and_in_its_order(name):
    assert [item.number for item in CHECKLISTS[name].items] == ROWS[name]


@pytest.mark.parametrize("name", CHECKLISTS)
def test_every_row_stands_once_on_the_sheet(name):
    lines = filled_in(CHECKLISTS[name], a_run(), made="Made now").text.splitlines()
    numbers = [line.removeprefix("**").split(" · ")[0] for line in lines if " · " in line]
    assert sorted(numbers) == sorted(ROWS[name])


@pytest.mark.parametrize("name", CHECKLISTS)
def test_a_filled_line_names_the_file_and_the_place_it_is_from(name):
    found = [said for of in said_of(a_run(), name).values() for said in of]
    assert len(found) > 30
    for said in found:
        assert isinstance(said, Said)
        assert said.file in FILES
        assert said.text.strip(" .:")
        assert said.key


@pytest.mark.parametrize("name", CHECKLISTS)
def test_every_row_is_filled_or_open_and_never_empty(name):
    text = filled_in(CHECKLISTS[name], a_run(), made="Made now").text
    for row in text.split("\n**")[2:]:
        assert "(`" in row or "*open: for the authors*" in row, row


@pytest.mark.parametrize("name", CHECKLISTS)
def test_a_run_that_says_nothing_leaves_every_row_open(name):
    sheet = filled_in(CHECKLISTS[name], RunValues({}), made="Made now")
    assert (sheet.filled, sheet.items) == (0, len(ROWS[name]))
    assert sheet.text.count("*open: for the authors*") == len(ROWS[name])


@pytest.mark.parametrize("name", CHECKLISTS)
def test_what_authors_leave_out_most_comes_first(name):
    first = filled_in(CHECKLISTS[name], a_run(), made="Made now").text.split("\n## ")[1].lower()
    assert first.startswith("what authors leave out most")
    for words in ("annotat", "sample size", "wrong results" if name == "claim" else "wrong|errors", "code"):
        assert any(word in first for word in words.split("|")), words
