"""A forest of differences: every arm minus the baseline, by figure, with intervals and Holm's verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Literal

from pnetkit.evaluation.comparison import AgainstBaseline, Comparison
from pnetkit.evaluation.paired import Difference
from pnetkit.report.comparison import SAME, difference_text
from pnetkit.report.figures.svg import Axis, Frame, figure, round_axis, rule, shortened, text
from pnetkit.report.page.values import Figure

Verdict = Literal["better", "worse", "not shown", "no test", "the same"]

LEVEL = 0.05
"""Holm's p below which a difference is called better or worse."""

ROW, HEAD = 26, 30
"""Heights of a row and of the name of a figure above its rows."""

WIDTH, LETTER, LEAST_LEFT, MOST_LEFT = 900, 6.6, 190, 260
NUMBERS, WORDS = 355, 76
"""Places right of the axis: of the numbers, and of the verdict."""


@dataclass(frozen=True, slots=True)
class Row:
    """Hold one arm's difference in one figure, its numbers in words, and its verdict."""

    arm: str
    difference: Difference
    numbers: str
    verdict: Verdict


def differences_figure(found: Comparison, overlaps: Sequence[str]) -> Figure | None:
    """Draw each arm's differences from the baseline, as the table has them; None where there is none.

    Rates and overlaps are in percentage points, areas in hundredths, so that one axis serves all.
    """
    groups = {name: rows for name in ("Sensitivity", "Specificity", "AUC", *overlaps) if (rows := _rows(found, name))}
    if not groups:
        return None
    ends = [
        100 * abs(end)
        for rows in groups.values()
        for row in rows
        for end in (row.difference.value, row.difference.low, row.difference.high)
        if end is not None
    ]
    if not ends:
        return None
    reach = max(*ends, 1.0)
    frame = _frame(round_axis(reach, _AXIS, low=-reach), groups)
    body, said, top = [rule(frame, x=0.0, css="threshold")], [], frame.top
    for name, rows in groups.items():
        body.append(text(0, top + HEAD - 9, _TITLES.get(name, f"{name}, Dice"), "group"))
        top += HEAD
        for row in rows:
            body += _drawn(frame, row, top + ROW / 2)
            top += ROW
            said.append(f"{name} of {row.arm}: {row.numbers}, {row.verdict}")
    says = (
        f"Each method minus {found.baseline}, on the cases that both decided. {'; '.join(said)}. Better and worse are "
        f"differences whose p, corrected by Holm over all tests of the table (in brackets), is below {LEVEL:g}; of the "
        "others none is shown, which is not to say that there is none."
    )
    return replace(figure(frame, body, title=f"Differences from {found.baseline}", says=says), is_wide=True)


_AXIS = "Difference, percentage points; right of the line is better"
_TITLES = {"Sensitivity": "Sensitivity", "Specificity": "Specificity", "AUC": "AUC (axis: hundredths)"}


def _rows(found: Comparison, name: str) -> list[Row]:
    rows = []
    for of in found.against:
        nothing = Difference(None, None, None, None)
        if of.identical:
            rows.append(Row(of.arm, nothing, SAME, "the same"))
            continue
        difference, adjusted = _difference(of, name), of.adjusted.get(name)
        if difference.value is None:
            continue
        numbers = difference_text(difference, adjusted, 1 if name == "AUC" else 100)
        rows.append(Row(of.arm, difference, numbers, _verdict(difference.value, adjusted)))
    return rows


def _difference(of: AgainstBaseline, name: str) -> Difference:
    whole = {"Sensitivity": of.sensitivity, "Specificity": of.specificity, "AUC": of.auc}
    return whole[name] if name in whole else of.dice[name]


def _verdict(value: float, adjusted: float | None) -> Verdict:
    if adjusted is None:
        return "no test"
    if adjusted >= LEVEL or not value:
        return "not shown"
    return "better" if value > 0 else "worse"


def _frame(axis: Axis, groups: dict[str, list[Row]]) -> Frame:
    longest = max(len(row.arm) for rows in groups.values() for row in rows)
    left = round(min(max(16 + LETTER * longest, LEAST_LEFT), MOST_LEFT))
    height = 56 + HEAD * len(groups) + ROW * sum(map(len, groups.values()))
    return Frame(axis, Axis(0.0, 1.0, (), ""), WIDTH, height, left, NUMBERS, top=4, bottom=44)


def _drawn(frame: Frame, row: Row, y: float) -> list[str]:
    """Draw a row: the interval, a mark whose shape and color are the verdict's, the table's numbers, the verdict."""
    edge, css = frame.width - frame.right, row.verdict.replace(" ", "-")
    name = shortened(row.arm, int((frame.left - 16) / LETTER))
    body = [
        f"<g><title>{escape(row.arm)}</title>{text(frame.left - 8, y + 4, name, 'row', 'end')}</g>",
        text(edge + 10, y + 4, row.numbers, "value"),
        text(frame.width - WORDS, y + 4, "" if row.numbers == row.verdict else row.verdict, f"verdict {css}"),
    ]
    value, low, high = row.difference.value, row.difference.low, row.difference.high
    if value is None:
        return body
    if low is not None and high is not None:
        ends = frame.px(100 * low), frame.px(100 * high)
        body.append(f'<line class="whisker {css}" x1="{ends[0]:g}" x2="{ends[1]:g}" y1="{y:g}" y2="{y:g}"/>')
    x = frame.px(100 * value)
    tip = {"better": -6.5, "worse": 6.5}.get(row.verdict)
    if tip is None:
        body.append(f'<circle class="estimate {css}" cx="{x:g}" cy="{y:g}" r="4.5"/>')
    else:
        body.append(f'<path class="estimate {css}" d="M{x - 6:g} {y - tip:g}h12L{x:g} {y + tip:g}z"/>')
    return body
