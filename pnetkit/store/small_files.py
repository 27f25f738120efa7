"""Read small files of many results: those that did not change since an earlier call come from one SQLite file.

Gathering a run of ten thousand cases reads tens of thousands of small files, which is slow where they are not in
memory, and slower on a network. The folders stay the truth: each file is asked for its size, times and inode, and what
is kept of it counts only where they are the same, and where its own digest says that it is whole. What is damaged, or
cannot be read or written, costs time and nothing else; deleting the file costs no more.
"""

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pnetkit.errors import StoreError
from pnetkit.files import FRESH_NS
from pnetkit.locks.database import opened
from pnetkit.store.node import Ref
from pnetkit.store.store import RECORD, Store

INDEX = "small_files.sqlite"
"""The file of a store that keeps them."""

AT_A_TIME = 500
"""Results in one question: SQLite takes no more than 999 values in the oldest release that is around."""

PATIENCE_S = 10.0
"""How long one waits for another process that is writing."""

_Place = tuple[str, str]
"""A file: its result's folder in the store, and its name."""


class SmallFiles:
    """Reads JSON files of a store's results."""

    def __init__(self, store: Store, known: dict[_Place, tuple[str, str]]) -> None:
        self._store, self._known = store, known
        self._root = os.fspath(store.root)
        self.new: dict[_Place, tuple[str, str]] = {}

    def json(self, ref: Ref, name: str) -> Any:
        """Read a file of a result. Raises OSError and ValueError as reading it does."""
        place = (_folder(ref), name)
        path = Path(f"{self._root}/{place[0]}/{name}")
        state, is_fresh = _state(path)
        known = self._known.get(place)
        if known is not None and known[0] == state:
            return json.loads(known[1])
        text = path.read_text(encoding="utf-8")
        found = json.loads(text)
        if not is_fresh and _state(path)[0] == state:
            self.new[place] = (state, text)
        return found

    def record(self, stage: str, key: str) -> dict[str, Any]:
        """Read what a result says of itself. Raises StoreError when it is damaged."""
        try:
            loaded: dict[str, Any] = self.json(Ref(stage, key), RECORD)
        except (OSError, ValueError):
            return self._store.record(stage, key)  # which says in words what is wrong
        return loaded


@contextmanager
def small_files(store: Store, results: Iterable[Ref]) -> Iterator[SmallFiles]:
    """Give what reads files of some results, and keep what it had to read for the next call."""
    database = store.root / INDEX
    found = SmallFiles(store, _find(database, sorted({_folder(ref) for ref in results})))
    yield found
    if found.new:
        _keep(database, found.new)


def _folder(ref: Ref) -> str:
    return f"{ref.stage}/{ref.key[:32]}"


def _state(path: Path) -> tuple[str, bool]:
    """Give what a file's state is told by, and whether it is so fresh that it may change without another one."""
    of = path.stat()
    is_fresh = max(of.st_mtime_ns, of.st_ctime_ns) > time.time_ns() - FRESH_NS
    return f"{of.st_size} {of.st_mtime_ns} {of.st_ctime_ns} {of.st_ino}", is_fresh


def _digest(*of: str) -> str:
    return hashlib.blake2b("\0".join(of).encode(), digest_size=16).hexdigest()


def _find(database: Path, folders: Sequence[str]) -> dict[_Place, tuple[str, str]]:
    """Give state and text of what is kept of some results; nothing, and the file deleted, where it is damaged."""
    found: dict[_Place, tuple[str, str]] = {}
    if not database.is_file():
        return found
    try:
        with opened(database, patience_s=PATIENCE_S) as connection:
            for start in range(0, len(folders), AT_A_TIME):
                some = folders[start : start + AT_A_TIME]
                marks = ", ".join("?" * len(some))
                asked = f"SELECT folder, name, state, text, digest FROM files WHERE folder IN ({marks})"
                for folder, name, state, text, digest in connection.execute(asked, some):
                    if digest == _digest(str(folder), str(name), str(state), str(text)):
                        found[folder, name] = (state, text)
    except (sqlite3.OperationalError, OSError, StoreError):
        return {}  # it is being made, in use, or may not be locked: it is not damaged; a store at fault says so next
    except (sqlite3.Error, ValueError):
        with suppress(OSError):
            database.unlink()
        return {}
    return found


def _keep(database: Path, files: dict[_Place, tuple[str, str]]) -> None:
    """Keep what was read, all of it or nothing; a disk that takes no more says so where results are written."""
    rows = [(*place, *of, _digest(*place, *of)) for place, of in files.items()]
    with (
        suppress(sqlite3.Error, OSError, StoreError),
        opened(database, patience_s=PATIENCE_S) as connection,
        connection,
    ):
        connection.execute(
            "CREATE TABLE IF NOT EXISTS files (folder TEXT, name TEXT, state TEXT NOT NULL, text TEXT NOT NULL, "
            "digest TEXT NOT NULL, PRIMARY KEY (folder, name)) WITHOUT ROWID"
        )
        connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", rows)
