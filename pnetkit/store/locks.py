"""Locks of a store: one file for each name, which `runs gc` deletes where nobody holds it.

A lock file must not be deleted between the moment in which somebody opens it and that in which the lock is taken: the
next one would make a new file, and both would hold "the" lock. So a lock is tried for, and its file deleted, only
behind a gate: a lock of its own that is held for a moment and whose file stays.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCKS, GATE = "locks", "locks.gate"
"""The folder of a store with its locks, and the file of the gate beside it."""

POLL_SECONDS, GATE_SECONDS = 0.05, 0.002
"""How long one waits before a lock that somebody holds is tried for again, and the gate."""


@contextmanager
def locked(root: Path, name: str) -> Iterator[None]:
    """Hold the lock of a name in a store; wait for whoever holds it."""
    while (lock := _taken(root, name)) is None:
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def locked_if_free(root: Path, name: str) -> Iterator[bool]:
    """Hold the lock of a name where nobody else does; give whether it is held."""
    lock = _taken(root, name)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()


def delete_free_locks(root: Path) -> int:
    """Delete the files of locks that nobody holds, and give how many there were."""
    deleted = 0
    with FileLock(root / GATE).acquire(poll_interval=GATE_SECONDS):
        for path in sorted((root / LOCKS).glob("*.lock")):
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            path.unlink(missing_ok=True)
            lock.release()
            deleted += 1
    return deleted


def _taken(root: Path, name: str) -> FileLock | None:
    """Take a lock if it is free; None where it is not."""
    (root / LOCKS).mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / LOCKS / f"{name}.lock")
    with FileLock(root / GATE).acquire(poll_interval=GATE_SECONDS):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
    return lock
