"""Keep what checks found: a scan whose files did not change since is not read again.

One SQLite file holds them, each under the state of its files: path, size, times of change, inode. A file that was
written a moment ago is not kept, because it may be written again without another time of change. What a stage reads
later is held to the digest that the check took, so a file that changes without any trace is still found out.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pnetkit.cohort.check import CheckedScan, Content, LabelPolicy
from pnetkit.errors import StoreError
from pnetkit.files import FRESH_NS, digest
from pnetkit.imaging.hounsfield import READING
from pnetkit.types import Grid, ScanFiles

VERSION = 1
"""Raised when a check finds out something else about the same files."""

AT_A_TIME = 500
"""Keys in one question: SQLite takes no more than 999 values in the oldest release that is around."""

PATIENCE_S = 60.0
"""How long one waits for another process that is writing."""


def key_of(files: ScanFiles, policy: LabelPolicy) -> str | None:
    """Name what a check of these files as they are now depends on; None where one is not there, or is fresh."""
    paths = [files.image, *([] if files.label is None else [files.label])]
    try:
        states = [(str(path.resolve()), path.stat()) for path in paths]
    except OSError:
        return None
    newest = max(max(state.st_mtime_ns, state.st_ctime_ns) for _, state in states)
    if newest > time.time_ns() - FRESH_NS:
        return None
    return digest(
        {
            "version": [VERSION, READING],
            "files": [[path, of.st_size, of.st_mtime_ns, of.st_ctime_ns, of.st_ino] for path, of in states],
            "mapping": None if policy.mapping is None else sorted(policy.mapping.items()),
            "unmapped": policy.unmapped,
        }
    )


def find(database: Path, keys: Iterable[str]) -> dict[str, CheckedScan]:
    """Give what is kept under some keys. Raises StoreError for a file that cannot be read."""
    if not database.is_file():
        return {}
    found: dict[str, CheckedScan] = {}
    with _opened(database) as connection:
        wanted = sorted(set(keys))
        for start in range(0, len(wanted), AT_A_TIME):
            some = wanted[start : start + AT_A_TIME]
            marks = ", ".join("?" * len(some))
            rows = connection.execute(f"SELECT key, found FROM checks WHERE key IN ({marks})", some)
            found |= {key: _from_json(json.loads(text)) for key, text in rows}
    return found


def keep(database: Path, checks: Mapping[str, CheckedScan]) -> None:
    """Keep what was found, all of it or nothing. Raises StoreError for a file that cannot be written."""
    if not checks:
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    rows = [(key, json.dumps(_to_json(of))) for key, of in checks.items()]
    with _opened(database) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS checks (key TEXT PRIMARY KEY, found TEXT NOT NULL)")
        connection.executemany("INSERT OR REPLACE INTO checks VALUES (?, ?)", rows)


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(database, timeout=PATIENCE_S)) as connection:
            yield connection
    except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{database}: what earlier checks found cannot be read or written ({error}). Delete the file: all files of "
            f"the cohort are then checked again."
        ) from error


def _to_json(found: CheckedScan) -> dict[str, Any]:
    return asdict(found) | {"grid": {"shape": list(found.grid.shape), "affine": found.grid.affine.tolist()}}


def _from_json(found: dict[str, Any]) -> CheckedScan:
    x, y, z = found["grid"]["shape"]
    grid = Grid((int(x), int(y), int(z)), np.array(found["grid"]["affine"], dtype=float))
    content = None if found["content"] is None else Content(**found["content"])
    return CheckedScan(
        found["image_digest"], found["label_digest"], grid, found["voxel_digest"], content, tuple(found["remarks"])
    )
