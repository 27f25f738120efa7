"""What is still to be sent, to where and when: tried again with growing pauses, over restarts, and given up at last."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pnetkit.serve.database import count
from pnetkit.serve.queue import Queue
from pnetkit.serve.values import State


@dataclass(frozen=True, slots=True)
class Due:
    """Files of a job's results that a destination is to have now; `tries` were in vain."""

    job: int
    destination: str
    files: tuple[Path, ...]
    tries: int
    since: float


@dataclass(frozen=True, slots=True)
class Patience:
    """Say how long is waited after a try in vain, twice as long after each, and when a destination is given up."""

    first_s: float = 30.0
    most_s: float = 3600.0
    give_up_after_s: float = 72 * 3600.0

    def pause_s(self, tries: int) -> float:
        """Give the seconds after so many tries in vain."""
        return min(self.most_s, self.first_s * 2.0 ** min(tries - 1, 30))


def due(queue: Queue, destination: str) -> list[Due]:
    """Give what a destination is to have by now, the oldest job first."""
    with queue.changing() as database:
        rows = database.execute(
            "SELECT job, file, tries, since FROM deliveries WHERE destination = ? AND state = 'due' AND next_at <= ? "
            "ORDER BY job, place",
            (destination, queue.clock()),
        ).fetchall()
    found: dict[int, Due] = {}
    for job, file, tries, since in rows:
        before = found.get(job)
        files = (*(before.files if before else ()), queue.places.results(job) / file)
        found[job] = Due(job, destination, files, max(tries, before.tries if before else 0), since)
    return list(found.values())


def settle(queue: Queue, sent: Due, errors: Mapping[str, str], patience: Patience) -> State | None:
    """Note what became of a try; `errors` by file name. Give the job's state, where that is its last; None else."""
    now = queue.clock()
    is_over = now - sent.since >= patience.give_up_after_s
    with queue.changing() as database:
        for path in sent.files:
            state = "sent" if path.name not in errors else "given up" if is_over else "due"
            next_at = now + patience.pause_s(sent.tries + 1)
            database.execute(
                "UPDATE deliveries SET state = ?, tries = ?, next_at = ? "
                "WHERE job = ? AND destination = ? AND file = ? AND state = 'due'",
                (state, sent.tries + 1, next_at, sent.job, sent.destination, path.name),
            )
        states = {
            state for (state,) in database.execute("SELECT DISTINCT state FROM deliveries WHERE job = ?", (sent.job,))
        }
        if not states or "due" in states:
            return None
        last: State = "given up" if "given up" in states else "sent"
        database.execute("UPDATE jobs SET state = ?, changed_at = ? WHERE number = ?", (last, now, sent.job))
        count(database, "given_up" if last == "given up" else "sent")
        return last


def due_by_destination(queue: Queue) -> Mapping[str, int]:
    """Count the files that are still to be sent, now or later, to each destination."""
    with queue.changing() as database:
        counted = "SELECT destination, count(*) FROM deliveries WHERE state = 'due' GROUP BY destination"
        return dict(database.execute(counted).fetchall())


def due_count(queue: Queue) -> int:
    """Count the files that are still to be sent, now or later."""
    return sum(due_by_destination(queue).values())
