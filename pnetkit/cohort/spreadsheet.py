"""Read a table that came with a data set: CSV with commas, semicolons or tabs, or the first sheet of an xlsx file.

An xlsx file is a zip of XML. It comes from strangers, so nothing in it is believed: no document type and so no entity,
inside or outside; nothing that unpacks to more than a fixed size, whatever the archive says of it; no path is followed.
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers import expat

from pnetkit.errors import CohortError, Fault

MOST_BYTES = 256 * 2**20
"""Bytes that a part of an xlsx file may unpack to; a sheet of 10,000 cases and 20 columns has 20 million."""

MOST_CELLS = 20_000_000
"""Cells of a table."""

UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    csv.Error,
    expat.ExpatError,
)
"""What reading raises of a file that is no table."""

_PLACE = re.compile(r"([A-Z]{1,3})[0-9]{1,7}")

_CHUNK = 2**16

Rows = list[dict[str, str]]
"""The rows of a table by its columns, all cells as texts without spaces around them."""


def read_table(path: Path) -> Rows:
    """Read a table whose first row names its columns; an ending of .xlsx tells a spreadsheet.

    Raises CohortError where it cannot be read, a column stands twice, or there is no row.
    """
    try:
        lines = _of_xlsx(path) if path.suffix.lower() == ".xlsx" else _of_csv(path)
    except UNREADABLE as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else f"cannot be read ({error})"
        raise CohortError("The table cannot be read:", [Fault(str(path), said)]) from error
    filled = [line for line in lines if any(line)]
    if len(filled) < 2:  # noqa: PLR2004
        raise CohortError("The table cannot be read:", [Fault(str(path), "has no rows below the names of its columns")])
    names = filled[0]
    if len(names) * len(filled) > MOST_CELLS:  # rows that leave cells out get them here
        said = f"has {len(names):,} columns and {len(filled):,} rows, more than {MOST_CELLS:,} cells"
        raise CohortError("The table cannot be read:", [Fault(str(path), said)])
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise CohortError("The table cannot be read:", [Fault(str(path), f"has the column {twice[0]!r} twice")])
    return [
        {name: cells[place] if place < len(cells) else "" for place, name in enumerate(names) if name}
        for cells in filled[1:]
    ]


def column(rows: Rows, *names: str) -> str | None:
    """Give the column that is called by one of the names, whatever its capitals, spaces and signs; None without one."""
    there = {_plain(name): name for name in reversed(list(rows[0]))}
    return next((there[_plain(name)] for name in names if _plain(name) in there), None)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9?]", "", name.lower())


def _of_csv(path: Path) -> list[list[str]]:
    text = path.read_bytes().decode("utf-8-sig")
    head = text.partition("\n")[0]
    separator = max(";,\t", key=head.count)
    return [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(text), delimiter=separator, strict=True)]


def _of_xlsx(path: Path) -> list[list[str]]:
    with zipfile.ZipFile(path) as archive:
        sheet = _first_sheet(archive)
        shared = _texts(archive) if "xl/sharedStrings.xml" in archive.namelist() else []
        return _cells(archive, sheet, shared)


def _first_sheet(archive: zipfile.ZipFile) -> str:
    """Find the part that holds the first sheet: the workbook names a relation, and the relations name the part."""
    named: list[str] = []
    targets: dict[str, str] = {}

    def sheet(tag: str, of: dict[str, str]) -> None:
        if tag == "sheet":
            named.extend(value for key, value in of.items() if key == "id" or key.endswith(":id"))

    def relation(tag: str, of: dict[str, str]) -> None:
        if tag == "Relationship":
            targets[of["Id"]] = of["Target"]

    _parse(archive, "xl/workbook.xml", sheet)
    _parse(archive, "xl/_rels/workbook.xml.rels", relation)
    if not named:
        raise ValueError("the workbook has no sheet")
    target = targets[named[0]]
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _texts(archive: zipfile.ZipFile) -> list[str]:
    """Give the texts that cells refer to by number; of one in several styles all runs, without readings aloud."""
    found: list[str] = []
    state = {"text": False, "aloud": False}

    def begin(tag: str, _of: dict[str, str]) -> None:
        if tag == "si":
            found.append("")
        elif tag == "rPh":
            state["aloud"] = True
        elif tag == "t":
            state["text"] = not state["aloud"]

    def end(tag: str) -> None:
        if tag == "t":
            state["text"] = False
        elif tag == "rPh":
            state["aloud"] = False

    def said(text: str) -> None:
        if state["text"]:
            found[-1] += text

    _parse(archive, "xl/sharedStrings.xml", begin, end, said)
    return found


@dataclass(slots=True)
class _Cell:
    """The cell that is being read: its type, the text so far, its column from 0, whether text that comes is its own."""

    kind: str = ""
    text: str = ""
    place: int = 0
    is_open: bool = False


def _cells(archive: zipfile.ZipFile, sheet: str, shared: Sequence[str]) -> list[list[str]]:
    rows: list[list[str]] = []
    cell, count = _Cell(), 0

    def begin(tag: str, of: dict[str, str]) -> None:
        if tag == "row":
            rows.append([])
        elif tag == "c":
            named = _PLACE.fullmatch(of.get("r", ""))
            cell.kind, cell.text = of.get("t", ""), ""
            cell.place = _number(named[1]) if named else len(rows[-1])
        elif tag in ("v", "t"):
            cell.is_open = True

    def end(tag: str) -> None:
        nonlocal count
        if tag in ("v", "t"):
            cell.is_open = False
        elif tag == "c":
            row = rows[-1]
            missing = cell.place + 1 - len(row)
            count += max(missing, 1)
            if count > MOST_CELLS:
                raise ValueError(f"{sheet} holds more than {MOST_CELLS:,} cells")
            row.extend([""] * missing)
            row[cell.place] = (shared[int(cell.text)] if cell.kind == "s" and cell.text else cell.text).strip()

    def said(text: str) -> None:
        if cell.is_open:
            cell.text += text

    _parse(archive, sheet, begin, end, said)
    return rows


def _number(letters: str) -> int:
    """Give the place of a column from 0: A is 0, Z 25, AA 26."""
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1


def _parse(
    archive: zipfile.ZipFile,
    part: str,
    begin: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] = lambda _tag: None,
    said: Callable[[str], None] = lambda _text: None,
) -> None:
    """Walk through a part of the archive as it unpacks; tags come without their namespace."""

    def refuse(*_of: Any) -> Any:
        raise ValueError(f"{part} declares a document type, which no spreadsheet does; it was not read further")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    parser.StartElementHandler = lambda tag, of: begin(tag.rpartition(":")[2], of)
    parser.EndElementHandler = lambda tag: end(tag.rpartition(":")[2])
    parser.CharacterDataHandler = said
    left = MOST_BYTES
    with archive.open(part) as stream:
        while chunk := stream.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise ValueError(f"{part} unpacks to more than {MOST_BYTES:,} bytes")
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
