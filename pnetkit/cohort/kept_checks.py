"""Keep what checks found: a file that did not change since is not read again.

One SQLite file holds it, each check under the state of its files: path, size, times of change, inode. A file that was
written a moment ago is not kept, because it may be written again without another time of change. What a stage reads
later is held to the digest that the check took, so a file that changes without any trace is still found out.
"""

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from pnetkit.cohort.check import CheckedScan, Content
from pnetkit.errors import StoreError
from pnetkit.files import FRESH_NS, digest
from pnetkit.imaging.hounsfield import READING
from pnetkit.locks.database import opened
from pnetkit.types import Grid

T = TypeVar("T")

Look = Callable[[Sequence[T]], Mapping[T, dict[str, Any] | str]]
"""Looks at the files of some things, and gives what it finds by thing."""

VERSION = 1
"""Raised when a check finds out something else about the same files."""

AT_A_TIME = 500
"""Keys in one question: SQLite takes no more than 999 values in the oldest release that is around."""

PATIENCE_S = 60.0
"""How long one waits for another process that is writing."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Say where what checks found is kept, and what to do with it."""

    database: Path
    is_read: bool = True
    is_written: bool = True


def key_of(paths: Sequence[Path], about: Mapping[str, Any]) -> str | None:
    """Name what a check of files as they are now depends on; None where one is not there, or is fresh.

    `about` is plain JSON: what else decides what is found.
    """
    try:
        states = [(f"{_resolved(path.parent)}{os.sep}{path.name}", path.stat()) for path in paths]
    except OSError:
        return None
    newest = max(max(state.st_mtime_ns, state.st_ctime_ns) for _, state in states)
    if newest > time.time_ns() - FRESH_NS:
        return None
    files = [[path, of.st_size, of.st_mtime_ns, of.st_ctime_ns, of.st_ino] for path, of in states]
    return digest({"version": [VERSION, READING], "files": files, "about": dict(about)})


@cache
def _resolved(folder: Path) -> str:
    """Give a folder's own path, once: thousands of files lie in one. Who moves it meanwhile is found out by inodes."""
    return str(folder.resolve())


def checked_once(
    kept: Kept | None, asked: Mapping[T, tuple[Sequence[Path], Mapping[str, Any]]], look: Look[T]
) -> dict[T, dict[str, Any] | str]:
    """Give what checks find of some things, each of its files: what is kept, and of the others what `look` finds now.

    `look` gives plain JSON, or a text that says what is wrong; faults are not kept. Neither is what was found of files
    that changed meanwhile.

    Raises StoreError where what is kept cannot be read or written.
    """
    keys = {of: key_of(*files) for of, files in asked.items()} if kept is not None else dict.fromkeys(asked)
    known = {} if kept is None or not kept.is_read else _find(kept.database, filter(None, keys.values()))
    there: dict[T, dict[str, Any] | str] = {of: known[key] for of, key in keys.items() if key in known}
    new = dict(look([of for of in asked if of not in there]))
    if kept is not None and kept.is_written:
        sound = {of: found for of, found in new.items() if isinstance(found, dict) and keys[of] is not None}
        stayed = {keys[of]: found for of, found in sound.items() if key_of(*asked[of]) == keys[of]}
        _keep(kept.database, {key: found for key, found in stayed.items() if key is not None})
    return {of: there[of] if of in there else new[of] for of in asked}


def scan_to_json(found: CheckedScan) -> dict[str, Any]:
    """Give a checked scan as plain JSON."""
    return asdict(found) | {"grid": grid_to_json(found.grid)}


def scan_from_json(found: Mapping[str, Any]) -> CheckedScan:
    """Give a checked scan back."""
    content = None if found["content"] is None else Content(**found["content"])
    digests = found["image_digest"], found["label_digest"]
    return CheckedScan(*digests, grid_from_json(found["grid"]), found["voxel_digest"], content, tuple(found["remarks"]))


def grid_to_json(grid: Grid) -> dict[str, Any]:
    """Give a grid as plain JSON, exactly."""
    return {"shape": list(grid.shape), "affine": grid.affine.tolist()}


def grid_from_json(found: Mapping[str, Any]) -> Grid:
    """Give a grid back."""
    x, y, z = found["shape"]
    return Grid((int(x), int(y), int(z)), np.array(found["affine"], dtype=float))


def _find(database: Path, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    if not database.is_file():
        return {}
    found: dict[str, dict[str, Any]] = {}
    wanted = sorted(set(keys))
    with _opened(database) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'checks'").fetchall():
            return {}  # another process has made the file this moment, and not yet what is in it
        for start in range(0, len(wanted), AT_A_TIME):
            some = wanted[start : start + AT_A_TIME]
            marks = ", ".join("?" * len(some))
            rows = connection.execute(f"SELECT key, found FROM checks WHERE key IN ({marks})", some)
            found |= {key: json.loads(text) for key, text in rows}
    return found


def _keep(database: Path, checks: Mapping[str, dict[str, Any]]) -> None:
    """Keep what was found, all of it or nothing."""
    if not checks:
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with _opened(database) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS checks (key TEXT PRIMARY KEY, found TEXT NOT NULL)")
        rows = [(key, json.dumps(of)) for key, of in checks.items()]
        connection.executemany("INSERT OR REPLACE INTO checks VALUES (?, ?)", rows)


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    try:
        with opened(database, patience_s=PATIENCE_S) as connection:
            yield connection
    except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{database}: what earlier checks found cannot be read or written ({error}). Delete the file: all files of "
            f"the cohort are then checked again."
        ) from error
