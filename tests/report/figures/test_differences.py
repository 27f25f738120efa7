"""Tests of pnetkit.report.figures.differences: the forest says what the table says."""

import re

from pnetkit.evaluation.comparison import OVERLAPS, Call, CaseTruth, compare_arms
from pnetkit.report.comparison import differences_table
from pnetkit.report.figures.differences import differences_figure

TRUTH = {f"c{i:02}": CaseTruth(i < 20, i) for i in range(40)}
DICE = {"pancreas": 0.8, "tumor": 0.5}


def calls(called, dice=0.8):
    return {case: Call(case in called, 2.0 if case in called else 0.5, DICE | {"pancreas": dice}) for case in TRUTH}


TUMORS = [case for case in TRUTH if TRUTH[case].abnormal]
ARMS = {
    "base": calls(TUMORS[:4]),
    "more": calls(TUMORS),
    "less": calls(TUMORS[:3]),
    "same": calls(TUMORS[:4]),
    "wrong": calls([*TUMORS[:4], *(case for case in TRUTH if case not in TUMORS)]),
}
FOUND = compare_arms(TRUTH, ARMS, baseline="base")


def drawn(overlaps=()):
    return differences_figure(FOUND, overlaps)


def test_the_forest_s_numbers_are_the_table_s():
    table = differences_table(FOUND, "venous")
    figure = drawn(tuple(OVERLAPS))
    cells = [cell for row in table.rows for cell in row[1:]]
    assert len(cells) == 4 * 6
    written = re.findall(r'<text class="value"[^>]*>([^<]*)</text>', figure.svg)
    assert sorted(written) == sorted(cell.replace("<", "&lt;") for cell in cells)


def test_the_verdict_is_holm_s_and_a_mark_s_shape_says_it_too():
    figure = drawn()
    assert "Sensitivity of more: +80.0 [" in figure.says
    verdicts = re.findall(r"(Sensitivity|Specificity) of (\w+): [^;]*, ([a-z ]+)(?=[;.])", figure.says)
    assert ("Sensitivity", "more", "better") in verdicts
    assert ("Sensitivity", "less", "not shown") in verdicts
    assert ("Specificity", "wrong", "worse") in verdicts
    assert ("Sensitivity", "same", "the same") in verdicts
    marks = re.findall(r'<(circle|path) class="estimate ([a-z-]+)"', figure.svg)
    assert {("path", "better"), ("path", "worse"), ("circle", "not-shown")} <= set(marks)
    assert not {("circle", "better"), ("circle", "worse")} & set(marks)


def test_a_mark_lies_where_its_number_is():
    figure = drawn()
    ticks = [
        (float(x), float(words))
        for x, words in re.findall(r'<text class="tick" x="([\d.]+)"[^>]*>(-?[\d.]+)</text>', figure.svg)
    ]
    (x0, low), (x1, high) = ticks[0], ticks[-1]
    (left,) = {float(x) for x in re.findall(r'class="estimate better" d="M([\d.]+) ', figure.svg)[:1]}
    assert abs(left + 6 - (x0 + (x1 - x0) * (80 - low) / (high - low))) < 0.2
    assert low == -high


def test_without_a_baseline_there_is_no_forest():
    assert differences_figure(compare_arms(TRUTH, ARMS), ()) is None


def test_a_name_is_escaped_and_a_long_one_shortened():
    found = compare_arms(TRUTH, {"base": ARMS["base"], "<b>" + "x" * 80: ARMS["more"]}, baseline="base")
    figure = differences_figure(found, ())
    assert "<b>" not in figure.svg
    assert "x…</text>" in figure.svg
