"""Figures of spread: values of cases side by side, and estimates with their intervals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pnetkit.report.figures.svg import Axis, Frame, figure, percent_axis, rule, text
from pnetkit.report.page.values import Figure

MOST_DOTS = 150
"""Values of one row that are all drawn; of more only those outside the box are."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Hold an estimate with its interval, and what stands beside it; None for what there is none of."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    words: str
    css: str = "c0"


def boxes_figure(title: str, rows: Mapping[str, Sequence[float]], axis: Axis, css: Mapping[str, str]) -> Figure | None:
    """Draw values from 0 to 1 of several groups: each a dot, with median and quartiles; None without a value."""
    known = {name: sorted(values) for name, values in rows.items() if values}
    if not known:
        return None
    frame = _rows_frame(axis, list(known))
    body, said = [], []
    for number, (name, values) in enumerate(known.items()):
        place = _row(frame, number)
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
        body.append(text(frame.left - 8, place + 4, name, "row", "end"))
        shown = values if len(values) <= MOST_DOTS else [v for v in values if not low <= v <= high]
        for i, value in enumerate(shown):
            shift = (i * 7 % 11 - 5) * 1.1  # beside each other, the same way at every call
            body.append(_grain(frame, value, place + shift, css.get(name, "c0")))
        left, right = frame.px(low), frame.px(high)
        body.append(f'<rect class="box" x="{left:g}" y="{place - 9:g}" width="{max(right - left, 1):g}" height="18"/>')
        at = frame.px(middle)
        body.append(f'<line class="median" x1="{at:g}" x2="{at:g}" y1="{place - 9:g}" y2="{place + 9:g}"/>')
        said.append(f"{name}: median {middle:.2f}, quartiles {low:.2f} and {high:.2f}, {len(values)} scans")
    return figure(frame, body, title=title, says=f"{'; '.join(said)}.")


def forest_figure(title: str, rows: Sequence[Interval], axis: Axis, *, reference: float | None = None) -> Figure | None:
    """Draw estimates with their intervals below each other; None without an estimate."""
    known = [row for row in rows if row.value is not None]
    if not known:
        return None
    frame = _rows_frame(axis, [row.name for row in known], right=132)
    body = [rule(frame, x=reference, css="threshold")] if reference is not None else []
    for number, row in enumerate(known):
        place = _row(frame, number)
        body.append(text(frame.left - 8, place + 4, row.name, "row", "end"))
        if row.low is not None and row.high is not None:
            ends = frame.px(row.low), frame.px(row.high)
            body.append(
                f'<line class="whisker {row.css}" x1="{ends[0]:g}" x2="{ends[1]:g}" y1="{place:g}" y2="{place:g}"/>'
            )
        body.append(f'<circle class="dot {row.css}" cx="{frame.px(row.value or 0):g}" cy="{place:g}" r="4"/>')
        body.append(text(frame.width - frame.right + 8, place + 4, row.words, "value"))
    says = "; ".join(f"{row.name} {row.words}" for row in known)
    return figure(frame, body, title=title, says=f"{says}.")


def scores_figure(rows: Mapping[str, Sequence[float]], css: Mapping[str, str]) -> Figure | None:
    """Draw the scores of cases by diagnosis on a logarithmic axis, with the threshold at 1; None without a score."""
    known = {name: values for name, values in rows.items() if values}
    if not known:
        return None
    highest = max(max(values) for values in known.values())
    top = 10 ** math.ceil(math.log10(max(highest, 10)))
    ticks = tuple((10.0**n, f"{10.0**n:g}") for n in range(-2, round(math.log10(top)) + 1))
    axis = Axis(0.01, top, ticks, "Score, in units of the threshold (log; 0 at the left end)", is_log=True)
    frame = _rows_frame(axis, list(known), height=40)
    body, said = [rule(frame, x=1.0, css="threshold")], []
    for number, (name, values) in enumerate(known.items()):
        place = _row(frame, number, 40)
        body.append(text(frame.left - 8, place + 4, name, "row", "end"))
        for i, value in enumerate(sorted(values)):
            body.append(_grain(frame, value, place + (i * 7 % 11 - 5) * 2, css.get(name, "c0")))
        said.append(f"{name}: {sum(v >= 1 for v in values)} of {len(values)} at or above the threshold")
    return figure(frame, body, title="Scores by diagnosis", says=f"{'; '.join(said)}.")


def calibration_bins(scores: Sequence[float], abnormal: Sequence[bool]) -> list[tuple[str, int, int]]:
    """Count the abnormal cases and all cases in classes of score; classes without a case are left out."""
    edges = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, math.inf)
    found = []
    for low, high in pairwise(edges):
        inside = [truth for score, truth in zip(scores, abnormal, strict=True) if low <= score < high]
        if inside:
            name = f"{low:g} to {high:g}" if high < math.inf else f"{low:g} and more"
            found.append((name, sum(inside), len(inside)))
    return found


def share_axis(title: str) -> Axis:
    """Give an axis for Dice and shares, 0 to 1."""
    return Axis(0.0, 1.0, tuple((n / 10, f"{n / 10:g}") for n in range(0, 11, 2)), title)


def rate_axis(title: str) -> Axis:
    """Give an axis for rates in percent."""
    return percent_axis(title)


def _grain(frame: Frame, value: float, y: float, css: str) -> str:
    return f'<circle class="grain {css}" cx="{frame.px(value):g}" cy="{y:g}" r="2.6"/>'


def _rows_frame(axis: Axis, names: Sequence[str], *, right: int = 16, height: int = 30) -> Frame:
    """Give a frame with a row for each name, which stand to its left."""
    left = 16 + round(6.6 * max(map(len, names)))
    return Frame(axis, Axis(0.0, 1.0, (), ""), 520, 56 + height * len(names), left, right, top=8, bottom=44)


def _row(frame: Frame, number: int, height: int = 30) -> float:
    """Give the middle of a row, from the top."""
    return frame.top + height * (number + 0.5) + 2
