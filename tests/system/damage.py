"""Damages of inputs: what they do, how a command ends on them, and what its error has to say.

A damage is a name, what it does to a folder of sound files, and what its error has to mention. All damages of a kind
end with the same exit code, in an error that begins alike.
"""

import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pnetkit.cli import main as entry


@dataclass(frozen=True)
class Kind:
    """The exit code of all damages of a kind, and a regular expression for how their errors begin."""

    code: int
    error: str


@dataclass(frozen=True)
class Damage:
    name: str
    do: Callable[[Path], object]
    mentions: str
    may_pass: bool = False


def end(monkeypatch, capsys, *arguments):
    """Run the command as the console does; give exit code, and what it printed."""
    monkeypatch.setattr(sys, "argv", ["pnetkit", *map(str, arguments)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom and nibabel warn of much that is damaged
        with pytest.raises(SystemExit) as ended:
            entry.main()
    out = capsys.readouterr()
    return ended.value.code or 0, out.out + out.err


def require_error(kind, mentions, code, text):
    assert "Traceback" not in text
    said = re.search("^Error: (.*)", text, re.MULTILINE | re.DOTALL)
    assert said, text
    assert code == kind.code, text
    assert re.match(kind.error, said[1]), said[1]
    assert mentions in said[1], said[1]


def each(kinds):
    return [pytest.param(kind, damage, id=damage.name) for kind, damages in kinds.items() for damage in damages]


def cut(name, share):
    def do(folder):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(len(data) * share)])

    return do


def flip(name, place):
    def do(folder):
        data = bytearray((folder / name).read_bytes())
        data[int(len(data) * place)] ^= 0x55
        (folder / name).write_bytes(bytes(data))

    return do


def content(name, data):
    return lambda folder: (folder / name).write_bytes(data)
