"""A frame with two axes, and what is drawn into it. Colors and dashes are the style sheet's, by class."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape

from pnetkit.report.page.values import Figure

Points = Sequence[tuple[float, float]]

LEGEND_ROW = 18
"""Height of a line of a legend."""

SERIES = 6
"""Series that have a color and dashes of their own."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Hold an axis: its ends, its ticks with their texts, its title."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    title: str
    is_log: bool = False

    def share(self, value: float) -> float:
        """Give where a value lies between the ends, 0 to 1; what lies beyond is at the end."""
        low, high = self.low, self.high
        if self.is_log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, self.low))
        return min(max((value - low) / (high - low), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Frame:
    """Hold the place for a figure, in units of the SVG: about a pixel."""

    x: Axis
    y: Axis
    width: int = 420
    height: int = 320
    left: int = 52
    right: int = 14
    top: int = 12
    bottom: int = 44

    def px(self, value: float) -> float:
        """Give the place of a value from the left."""
        return round(self.left + self.x.share(value) * (self.width - self.left - self.right), 1)

    def py(self, value: float) -> float:
        """Give the place of a value from the top."""
        return round(self.height - self.bottom - self.y.share(value) * (self.height - self.top - self.bottom), 1)


def figure(frame: Frame, body: Iterable[str], *, title: str, says: str) -> Figure:
    """Put a figure together: frame, axes, what is drawn, and its words."""
    parts = [
        f'<svg class="plot" viewBox="0 0 {frame.width} {frame.height}" role="img">',
        f"<title>{escape(title)}</title><desc>{escape(says)}</desc>",
        *_axes(frame),
        *body,
        "</svg>",
    ]
    return Figure("".join(parts), title, says)


def line(frame: Frame, points: Points, css: str) -> str:
    """Draw a line through points."""
    path = " ".join(f"{frame.px(x):g},{frame.py(y):g}" for x, y in points)
    return f'<polyline class="line {css}" points="{path}"/>'


def area(frame: Frame, lower: Points, upper: Points, css: str) -> str:
    """Fill what lies between two lines."""
    path = " ".join(f"{frame.px(x):g},{frame.py(y):g}" for x, y in [*lower, *reversed(upper)])
    return f'<polygon class="area {css}" points="{path}"/>'


def dot(frame: Frame, x: float, y: float, css: str, title: str = "", radius: float = 4) -> str:
    """Draw a point; `title` is what is said of it."""
    words = f"<title>{escape(title)}</title>" if title else ""
    return f'<circle class="dot {css}" cx="{frame.px(x):g}" cy="{frame.py(y):g}" r="{radius:g}">{words}</circle>'


def text(x: float, y: float, words: str, css: str = "", anchor: str = "start") -> str:
    """Write words at a place of the SVG."""
    return f'<text class="{css}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def rule(frame: Frame, *, x: float | None = None, y: float | None = None, css: str = "rule") -> str:
    """Draw a straight line across the figure, at a value of one axis."""
    if x is not None:
        place = frame.px(x)
        return (
            f'<line class="{css}" x1="{place:g}" x2="{place:g}" y1="{frame.top}" y2="{frame.height - frame.bottom}"/>'
        )
    place = frame.py(y or 0)
    return f'<line class="{css}" x1="{frame.left}" x2="{frame.width - frame.right}" y1="{place:g}" y2="{place:g}"/>'


def with_legend(frame: Frame, rows: int) -> Frame:
    """Make a frame higher by so many rows of a legend, below its axis."""
    return replace(frame, height=frame.height + LEGEND_ROW * rows, bottom=frame.bottom + LEGEND_ROW * rows)


def legend(frame: Frame, entries: Sequence[tuple[str, str]], *, per_row: int = 1) -> list[str]:
    """Explain lines below the axis: each with a class and words."""
    found, rows = [], -(-len(entries) // per_row)
    width = (frame.width - frame.left - frame.right) / per_row
    for number, (css, words) in enumerate(entries):
        x = frame.left + width * (number % per_row)
        at = frame.height - LEGEND_ROW * (rows - number // per_row) + 10
        found.append(f'<line class="line {css}" x1="{x:g}" x2="{x + 24:g}" y1="{at - 4:g}" y2="{at - 4:g}"/>')
        found.append(text(x + 30, at, words, "legend"))
    return found


def series_css(number: int) -> str:
    """Give the class of one of several series: color and dashes; from the seventh on these come again, thinner."""
    return f"c{number % SERIES}" + " again" * (number >= SERIES)


def shortened(name: str, letters: int) -> str:
    """Give a name of no more than so many letters: its beginning, with an ellipsis where something is left out."""
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def percent_axis(title: str, *, step: int = 20) -> Axis:
    """Give an axis from 0 to 100 % for values from 0 to 1."""
    return Axis(0.0, 1.0, tuple((value / 100, f"{value}") for value in range(0, 101, step)), title)


def round_axis(high: float, title: str, *, low: float = 0.0) -> Axis:
    """Give an axis that ends at a round number, with about five ticks."""
    span = max(high - low, 1e-9)
    power = 10 ** math.floor(math.log10(span))
    step = next(power * n for n in (0.1, 0.2, 0.5, 1, 2, 5, 10) if span / (power * n) <= 6)  # noqa: PLR2004
    first, last = math.floor(low / step), math.ceil(high / step)
    return Axis(first * step, last * step, tuple((n * step, f"{n * step:g}") for n in range(first, last + 1)), title)


def _axes(frame: Frame) -> list[str]:
    bottom, right = frame.height - frame.bottom, frame.width - frame.right
    found = []
    for value, words in frame.x.ticks:
        found.append(rule(frame, x=value, css="grid"))
        found.append(text(frame.px(value), bottom + 16, words, "tick", "middle"))
    for value, words in frame.y.ticks:
        found.append(rule(frame, y=value, css="grid"))
        found.append(text(frame.left - 7, frame.py(value) + 4, words, "tick", "end"))
    found.append(f'<path class="axis" d="M{frame.left} {frame.top}V{bottom}H{right}"/>')
    found.append(text((frame.left + right) / 2, bottom + 35, frame.x.title, "axis-title", "middle"))
    if frame.y.title:
        middle = (frame.top + bottom) / 2
        found.append(
            f'<text class="axis-title" text-anchor="middle" transform="translate(14 {middle:g}) rotate(-90)">'
            f"{escape(frame.y.title)}</text>"
        )
    return found
