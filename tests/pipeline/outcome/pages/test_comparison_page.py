"""Tests of pnetkit.pipeline.outcome.pages.comparison_page: arms of which everything is known, without a store."""

import re
from pathlib import Path

import pytest

from pnetkit.evaluation.comparison import Call, CaseTruth, compare_arms
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.pipeline.outcome.pages.comparison_page import ComparedView, comparison_page
from pnetkit.report.comparison import FUSED, arms_table, differences_table
from pnetkit.report.reference import published_table

BAD = '<script>alert("1")</script>'
TRUTH = {f"P{i}": CaseTruth(i < 3, i) for i in range(5)} | {BAD: CaseTruth(True, 5)}


def calls(*called):
    return {case: Call(case in called, 2.0 if case in called else 0.5, {}) for case in TRUTH}


def run_of(name, fused):
    record = {"cohort": "six cases", "thresholds": "Thresholds: the recipe's.", "inputs": {}, "stages": [],
              "cases": {case: {"files": {}, "fold": None} for case in TRUTH}, "plugins": {}, "phases": []}  # fmt: skip
    return FinishedRun(name, Path("nowhere"), record, TRUTH, fused, {}, {})


ARMS = {"base": calls("P0", "P1", "P2", "P3"), "other": calls("P0", "P1", BAD)}


@pytest.fixture(scope="module")
def text():
    found = compare_arms(TRUTH, ARMS, baseline="base")
    tables = (arms_table(found, FUSED, cohort="six cases", reference=True), differences_table(found, FUSED))
    runs = {name: run_of(name, fused) for name, fused in ARMS.items()}
    data, left = comparison_page(runs, [ComparedView(FUSED, found, tables, ARMS)], ())
    assert (left.stills, left.volumes) == (0, 0)
    return data.decode()


def test_the_page_has_tables_forest_curves_and_the_matrix(text):
    for words in ("Fused decision", "Against base: fused decision", "Differences from base", "Receiver operating",
                  "Who gets which case right: fused decision", "S4C (published)", "Research use only"):  # fmt: skip
        assert words in text, words


def test_the_matrix_begins_with_tumors_that_are_disputed(text):
    matrix = text[text.index('<div class="wide matrix"') :]
    rows = re.findall(r'<th scope="row">(?:<a[^>]*>)?([^<]*)(?:</a>)?</th><td>(\w+)</td>', matrix)
    assert [name for name, _ in rows][1:] == ["P2", "P3", "P0", "P1", "P4"]
    assert rows[0] == ("&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;", "abnormal")
    marks = re.findall(r'<td class="(\w+)"><b>(.)</b> (\w+)</td>', matrix)
    assert marks[:6] == [("wrong", "✗", "wrong"), ("right", "✓", "right"), ("right", "✓", "right"),
                         ("wrong", "✗", "wrong"), ("wrong", "✗", "wrong"), ("right", "✓", "right")]  # fmt: skip


def test_ids_are_text_and_nothing_comes_from_elsewhere(text):
    assert "<script>alert" not in text
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert " style=" not in text


def test_the_published_rows_alone_are_a_page():
    data, _ = comparison_page({}, [], [published_table(FUSED)])
    assert b"24/228" in data
    assert b'<div class="wide matrix"' not in data


def test_a_case_that_is_disputed_in_any_phase_counts_as_one():
    views = {"arterial": {"base": calls("P0"), "other": calls("P0", "P1")},
             "venous": {"base": calls("P1", "P3"), "other": calls("P0")}}  # fmt: skip
    compared = [ComparedView(view, compare_arms(TRUTH, of), (), of) for view, of in views.items()]
    runs = {name: run_of(name, views["arterial"][name]) for name in ("base", "other")}
    text = comparison_page(runs, compared, ())[0].decode()
    summary = re.sub(r"\s*<[^>]+>\s*", "|", text[: text.index("What was compared")])
    said = r"Disputed\|+3\|+2 tumors that some found|3\|+Disputed\|+2 tumors that some found"
    assert re.search(said, summary), summary
