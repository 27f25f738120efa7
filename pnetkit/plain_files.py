"""Tell whether files hold data and nothing that could run: safetensors, JSON, text. What plugins save is held to it.

A model travels to other people, and its files are opened there. A pickle runs what its maker wrote; so does what hides
one in an archive. What a file is called proves nothing, so its content is looked at too.
"""

import json
import pickletools
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open


def not_plain(folder: Path) -> list[str]:
    """Name what lies in a folder and is no plain file, each with what is wrong with it; in the order of names."""
    faults = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            faults.append(f"{name} is a link")
        elif path.is_file() and (fault := _fault(path)):
            faults.append(f"{name} {fault}")
    return faults


def _fault(path: Path) -> str:
    """Say what is wrong with a file, in words; nothing where nothing is."""
    if path.suffix not in _WRONG:
        return f"is none of {', '.join(_WRONG)}"
    with path.open("rb") as stream:
        begins = stream.read(4)
    for magic, what in _MAGIC.items():
        if begins.startswith(magic):
            return f"is {what}, whatever its name says"
    return _WRONG[path.suffix](path)


def _wrong_tensors(path: Path) -> str:
    try:
        with safe_open(path, framework="np"):
            return ""
    except SafetensorError as error:
        return f"is no safetensors file ({error})"


def _wrong_json(path: Path) -> str:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        return f"is no JSON ({error})"
    return ""


def _wrong_text(path: Path) -> str:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"is no text ({error})"
    strange = [letter for letter in text if ord(letter) < ord(" ") and letter not in "\t\n\r\f"]
    if strange:
        return f"is no text (it has the character {strange[0]!r})"
    return "is a pickle, whatever its name says" if _reads_as_pickle(data) else ""


def _reads_as_pickle(data: bytes) -> bool:
    """Tell whether bytes are a pickle of the oldest protocol, which is letters; nothing is run."""
    try:
        return sum(1 for _ in pickletools.genops(data)) > 1
    except Exception:  # noqa: BLE001  # what cannot be read as a pickle is none, whatever it breaks on
        return False


_WRONG: dict[str, Callable[[Path], str]] = {".safetensors": _wrong_tensors, ".json": _wrong_json, ".txt": _wrong_text}
"""What finds the fault of a file, by how its name ends: nothing else is plain."""

_MAGIC = {
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"\x93NUM": "a NumPy file",
}
"""How files begin that may hold code, or hide it."""
