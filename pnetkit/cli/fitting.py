"""Lay a table out within a terminal's width so that no word and no figure is broken.

As it is where there is room; else with heads and prose folded at words; else with prose below its row; else in parts
that repeat what names a row; else row by row, as `label: value`.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

GAP, INDENT = "  ", "  "

PROSE_AT_LEAST = 32
"""Characters that prose has a line of at the least where it stands in a column of its own."""

HEAD_LINES = 2
"""Lines that a head is folded into at the most."""

PARTS_AT_MOST = 4
"""Parts into which a table is split; more of them are harder to read than one row after the other."""

_PIECE = re.compile(
    r"(?:\[[^\[\]]{1,24}\]\S{0,2}|\S{1,10} ± \S{1,10}|\S{1,12} \(\S{1,10}\)\S?|\S{1,16} %\S?)(?!\S)|\S+"
)
"""What a line is never broken within: a word, an interval, a figure with its spread, its second p-value, or its %."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Hold a table's text: columns and rows, how many leading columns name a row, which columns are prose.

    Prose may be folded at words. A rule is drawn above each row that `rules` numbers.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int = 1
    prose: tuple[str, ...] = ()
    rules: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """Hold a line that is printed, and whether it is a head."""

    text: str
    head: bool = False


def fit(sheet: Sheet, width: int | None) -> list[Line]:
    """Lay a table out in lines of at most `width` characters, or as it is where that is None.

    A line is longer only where a single word is.
    """
    attempts: tuple[Callable[[Sheet, int], list[Line] | None], ...] = (_as_it_is, _folded, _prose_below, _in_parts)
    if width is None:
        return _lines(sheet, [_need(sheet, i) for i in range(len(sheet.columns))])
    for attempt in attempts:
        lines = attempt(sheet, width)
        if lines is not None:
            return lines
    return _row_by_row(sheet, width)


def wrapped(text: str, width: int, *, first: str = "", rest: str = "") -> list[str]:
    """Break a text at spaces into lines of at most `width` characters, the first and the rest of them indented."""
    lines: list[str] = []
    line = ""
    for piece in _PIECE.findall(text):
        if line and cell_len(f"{rest if lines else first}{line} {piece}") > width:
            lines.append((rest if lines else first) + line)
            line = ""
        line = f"{line} {piece}" if line else piece
    return [*lines, (rest if lines else first) + line]


def _as_it_is(sheet: Sheet, width: int) -> list[Line] | None:
    widths = [_need(sheet, i) for i in range(len(sheet.columns))]
    return _lines(sheet, widths) if _total(widths) <= width else None


def _folded(sheet: Sheet, width: int) -> list[Line] | None:
    widths = _folded_widths(sheet)
    of_prose = sorted((sheet.columns.index(name) for name in sheet.prose), key=lambda i: _need(sheet, i))
    left = width - _total(widths) + sum(widths[i] for i in of_prose)
    for count, i in enumerate(of_prose):
        share = min(left // (len(of_prose) - count), _need(sheet, i))
        if share < max(widths[i], min(PROSE_AT_LEAST, _need(sheet, i))):
            return None
        widths[i] = share
        left -= share
    return _lines(sheet, widths) if _total(widths) <= width else None


def _prose_below(sheet: Sheet, width: int) -> list[Line] | None:
    if not sheet.prose:
        return None
    below = [sheet.columns.index(name) for name in sheet.prose]
    beside = _only(sheet, [i for i in range(len(sheet.columns)) if i not in below])
    widths = _folded_widths(beside)
    if _total(widths) > width:
        return None

    def prose(cells: Sequence[str]) -> list[str]:
        return [line for i in below if cells[i] for line in wrapped(cells[i], width, first=INDENT, rest=INDENT)]

    lines = [Line(text, head=True) for text in [*_row(beside.columns, widths, low=True), *prose(sheet.columns)]]
    for index, row in enumerate(sheet.rows):
        lines += _rule(sheet, index, width)
        lines += [Line(text) for text in [*_row(beside.rows[index], widths), *prose(row)]]
    return lines


def _in_parts(sheet: Sheet, width: int) -> list[Line] | None:
    if len(sheet.rows) < 2 or sheet.prose:  # noqa: PLR2004  # a single row reads better as a list
        return None
    widths = _folded_widths(sheet)
    names = list(range(sheet.names))
    parts: list[list[int]] = []
    for i in range(sheet.names, len(sheet.columns)):
        if not parts or _total([widths[k] for k in [*names, *parts[-1], i]]) > width:
            parts.append([])
        parts[-1].append(i)
    shown = [[*names, *part] for part in parts]
    if not 1 <= len(parts) <= PARTS_AT_MOST or any(_total([widths[k] for k in part]) > width for part in shown):
        return None
    lines: list[Line] = []
    for part in shown:
        lines += [*([Line("")] if lines else []), *_lines(_only(sheet, part), [widths[k] for k in part])]
    return lines


def _row_by_row(sheet: Sheet, width: int) -> list[Line]:
    lines: list[Line] = []
    for index, row in enumerate(sheet.rows):
        lines += [Line("")] if index else []
        lines += _rule(sheet, index, width)
        lines += [Line(text, head=True) for text in wrapped(_name(sheet, row), width)]
        for label, cell in zip(sheet.columns[sheet.names :], row[sheet.names :], strict=True):
            lines += [Line(text) for text in _labeled(label, cell, width)] if cell else []
    return lines


def _name(sheet: Sheet, row: Sequence[str]) -> str:
    return ", ".join(f"{label}: {cell}" for label, cell in zip(sheet.columns[: sheet.names], row, strict=False))


def _labeled(label: str, cell: str, width: int) -> list[str]:
    both = f"{INDENT}{label}: {cell}"
    if cell_len(both) <= width:
        return [both]
    if cell_len(2 * INDENT + cell) <= width:  # a figure stays whole, below its label
        return [*wrapped(f"{label}:", width, first=INDENT, rest=INDENT), 2 * INDENT + cell]
    return wrapped(f"{label}: {cell}", width, first=INDENT, rest=2 * INDENT)


def _lines(sheet: Sheet, widths: Sequence[int]) -> list[Line]:
    lines = [Line(text, head=True) for text in _row(sheet.columns, widths, low=True)]
    for index, row in enumerate(sheet.rows):
        lines += _rule(sheet, index, _total(widths))
        lines += [Line(text) for text in _row(row, widths)]
    return lines


def _row(cells: Sequence[str], widths: Sequence[int], *, low: bool = False) -> list[str]:
    """Give a row's lines; with `low` shorter cells stand at its foot."""
    folded = [
        wrapped(cell, width) if cell_len(cell) > width else [cell] for cell, width in zip(cells, widths, strict=True)
    ]
    height = max(map(len, folded), default=0)
    columns = [[""] * (height - len(cell)) + cell if low else cell + [""] * (height - len(cell)) for cell in folded]
    padded = ([text + " " * (width - cell_len(text)) for text in of] for of, width in zip(columns, widths, strict=True))
    return [GAP.join(texts).rstrip() for texts in zip(*padded, strict=True)]


def _rule(sheet: Sheet, index: int, width: int) -> list[Line]:
    return [Line("-" * width)] if index and index in sheet.rules else []


def _only(sheet: Sheet, kept: Sequence[int]) -> Sheet:
    return replace(
        sheet,
        columns=tuple(sheet.columns[i] for i in kept),
        rows=tuple(tuple(row[i] for i in kept) for row in sheet.rows),
        prose=(),
    )


def _folded_widths(sheet: Sheet) -> list[int]:
    """Give each column's least width: of its cells, or of their words where it is prose, and of its folded head."""
    return [
        max(
            _head_width(name),
            _longest(
                text for row in sheet.rows for text in (_PIECE.findall(row[i]) if name in sheet.prose else [row[i]])
            ),
        )
        for i, name in enumerate(sheet.columns)
    ]


def _head_width(name: str) -> int:
    widths = range(_longest(_PIECE.findall(name)), cell_len(name))
    return next((width for width in widths if len(wrapped(name, width)) <= HEAD_LINES), cell_len(name))


def _need(sheet: Sheet, i: int) -> int:
    return _longest([sheet.columns[i], *(row[i] for row in sheet.rows)])


def _longest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * max(len(widths) - 1, 0)
