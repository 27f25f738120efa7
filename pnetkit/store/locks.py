"""Locks of a store: the system's, or claims, as the store notes (`pnetkit/locks/`).

Of a system's lock the file stays, until `runs gc` deletes it where nobody holds it. It must not be deleted between the
moment in which somebody opens it and that in which the lock is taken: the next one would make a new file, and both
would hold "the" lock. So a lock is tried for, and its file deleted, only behind a gate: a lock of its own that is held
for a moment and whose file stays. Claims leave nothing behind and need no gate.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pnetkit.locks.claims import delete_leftovers
from pnetkit.locks.holding import Hold, held_when_free, hold_if_free
from pnetkit.locks.way import way_of

LOCKS, GATE = "locks", "locks.gate"
"""The folder of a store with its locks, and the file of the gate beside it."""

GATE_SECONDS = 0.002
"""How long one waits before the gate is tried for again."""


@contextmanager
def locked(root: Path, name: str) -> Iterator[Hold]:
    """Hold the lock of a name in a store; wait for whoever holds it."""
    with held_when_free(lambda: _taken(root, name)) as hold:
        yield hold


@contextmanager
def locked_if_free(root: Path, name: str) -> Iterator[Hold | None]:
    """Hold the lock of a name where nobody else does; None where somebody does."""
    hold = _taken(root, name)
    try:
        yield hold
    finally:
        if hold is not None:
            hold.release()


def delete_free_locks(root: Path) -> int:
    """Delete the files of locks that nobody holds, and give how many there were."""
    deleted = delete_leftovers(root / LOCKS)
    if way_of(root).kind == "claims":
        return deleted  # the system's locks may be refused there, and claims leave no file
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


def _taken(root: Path, name: str) -> Hold | None:
    """Take a lock if it is free; None where it is not."""
    way, place = way_of(root), root / LOCKS / name
    if way.kind == "claims":
        return hold_if_free(place, way)
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(root / GATE).acquire(poll_interval=GATE_SECONDS):
        return hold_if_free(place, way)
