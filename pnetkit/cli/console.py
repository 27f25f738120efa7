"""Print tables and lines on the terminal, within its width."""

import os
import re
from collections.abc import Sequence

import click
from rich.console import Console
from rich.text import Text

from pnetkit.cli.fitting import Sheet, fit, wrapped


def console() -> Console:
    """Give the terminal, or the file or pipe that stands in for it."""
    return Console(highlight=False)


def width(*, err: bool = False) -> int | None:
    """Give the columns that lines have to fit in: those that COLUMNS says, or the terminal's.

    None elsewhere, so that logs and pipes keep a table's row on one line.
    """
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return int(said)
    terminal = Console(stderr=err)
    return terminal.width if terminal.is_terminal else None


def echo(text: str, *, err: bool = False) -> None:
    """Print a text whose lines are broken between words, where there is a width that they have to fit in."""
    columns = width(err=err)
    for line in text.split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        whole = columns is None or len(line) <= columns
        for part in [line] if whole else wrapped(line, columns or 0, first=indent, rest=f"{indent}  "):
            click.echo(part, err=err)


def print_grid(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    names: int = 1,
    prose: Sequence[str] = (),
    rules: Sequence[int] = (),
    notes: Sequence[str] = (),
) -> None:
    """Print a table of plain text, and notes below it, within the terminal's width; nothing is read as markup.

    The first `names` columns say what a row is of; columns of `prose` may be folded at words.
    """
    plain = tuple(tuple(re.sub(r"\s*\n\s*", " ", cell) for cell in row) for row in rows)
    available, out = width(), console()
    for part in [] if not title else [title] if available is None else wrapped(title, available):
        out.print(Text(part, style="italic"), soft_wrap=True)
    lines = fit(Sheet(tuple(columns), plain, names, tuple(prose), tuple(rules)), available)
    for line in lines:
        out.print(Text(line.text, style="bold" if line.head else ""), soft_wrap=True)
    if notes and any(not line.text for line in lines):  # what has gaps within is set off by one
        out.print()
    for note in notes:
        echo(note)
