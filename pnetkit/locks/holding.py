"""Hold something that has a name in a folder, whatever the kind of lock."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pnetkit.locks import claims
from pnetkit.locks.way import Way

POLL_S = 0.05
"""Seconds before what somebody holds is tried for again."""


class Flock:
    """A lock of the system, which ends with the process that has it; nobody is ever taken for gone who is not."""

    token = ""

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock

    def is_ours(self) -> bool:
        """Tell whether it is still held: nobody takes it over."""
        return True

    def release(self) -> None:
        """Give it up; its file stays."""
        self._lock.release()


Hold = Flock | claims.Claim
"""What is held until it is released; `token` is what this holder alone is called, empty for a lock of the system."""


def hold_if_free(place: Path, way: Way) -> Hold | None:
    """Hold what a path, without its ending, stands for, if nobody else does."""
    if way.kind == "claims":
        return claims.take(place.with_name(f"{place.name}.claim"), way.pace)
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place.with_name(f"{place.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return Flock(lock)


@contextmanager
def held(place: Path, way: Way, *, patience_s: float | None = None) -> Iterator[Hold]:
    """Hold what a path stands for; wait for whoever does. Raises TimeoutError where that lasts over `patience_s`."""
    with held_when_free(lambda: hold_if_free(place, way), patience_s=patience_s) as hold:
        yield hold


@contextmanager
def held_when_free(
    take: Callable[[], Hold | None], *, patience_s: float | None = None, waiting: Callable[[], None] = lambda: None
) -> Iterator[Hold]:
    """Hold what `take` takes where it is free; try until it is, and call `waiting` once where it is not at first.

    Raises TimeoutError where that lasts over `patience_s`.
    """
    hold = take()
    if hold is None:
        waiting()
    until = None if patience_s is None else time.monotonic() + patience_s
    while hold is None:
        if until is not None and time.monotonic() > until:
            raise TimeoutError(f"somebody else held it for {patience_s:g} seconds")
        time.sleep(POLL_S)
        hold = take()
    try:
        yield hold
    finally:
        hold.release()
