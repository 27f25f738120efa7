"""Tickets that open one report once, for a minute: a browser that follows a link cannot send a token along."""

import secrets
import threading
import time
from collections.abc import Callable

FOR_S, MOST = 60.0, 1000


class Tickets:
    """Tickets that were given out and not used yet; the oldest are forgotten when there are too many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._given: dict[str, tuple[int, float]] = {}

    def give(self, number: int) -> str:
        """Give a ticket to the report of a job."""
        with self._lock:
            while len(self._given) >= MOST:
                self._given.pop(next(iter(self._given)))
            ticket = secrets.token_urlsafe(32)
            self._given[ticket] = (number, self._clock() + FOR_S)
            return ticket

    def take(self, ticket: str) -> int | None:
        """Take a ticket back, and give the number of its job; None where it is none, used or too old."""
        with self._lock:
            number, until = self._given.pop(ticket, (None, 0.0))
            return number if self._clock() < until else None
