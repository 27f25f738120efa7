"""A queue of studies on disk: what comes is there when it is answered, and a kill at any moment loses nothing.

queue.sqlite           which jobs there are, in which state, and what is still to be sent
arriving/              what is not complete yet
studies/NUMBER/        what came for a job
work/NUMBER-LEASE/     one try of a job, under way
results/NUMBER/        what came of it

A file takes its place by renaming within the transaction that notes it: what lies there without a note is of a killed
service, whose sender had no answer, and is deleted at the next start. A job is begun under a lease; whoever comes
with an older one, because the job was begun again or new images came, is told that nobody wants its outcome.
"""

import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pnetkit.errors import StoreError
from pnetkit.files import sync_folder
from pnetkit.locks.holding import hold_if_free
from pnetkit.locks.way import Way
from pnetkit.serve.database import COLUMNS, as_job, connect, count, transaction
from pnetkit.serve.values import (
    STATE_OF,
    WITHOUT_OUTCOME,
    Job,
    Limits,
    Outcome,
    Places,
    State,
    outcome_to_json,
)


class Queue:
    """The jobs of a service, by study and model; every method may be called from any thread.

    What comes is taken in by `intake`. Raises StoreError where another service works in this folder.
    """

    def __init__(
        self, root: Path, *, model: str, limits: Limits | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.places, self.model, self.clock = Places(root), model, clock
        self.limits = limits or Limits()
        self._lock = threading.RLock()
        self.places.make()
        hold = hold_if_free(root / "service", Way("flock"))
        if hold is None:
            raise StoreError(f"{root}: another service works in this folder. End it, or choose another --state.")
        self._hold = hold
        self._database = connect(self.places.database)
        self._recover()

    def close(self) -> None:
        """Give the folder up; the queue is not used after this."""
        with self._lock:
            self._database.close()
            self._hold.release()

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction for what belongs to the queue and stands in other modules."""
        with self._lock, transaction(self._database) as database:
            yield database

    def truncate_log(self) -> None:
        """Leave nothing in the database's log, which would hold what was deleted until it is written over."""
        with self._lock:
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def new_arrival(self, ending: str = "") -> Path:
        """Give a path of its own for what is about to come; nothing lies there yet."""
        return self.places.arriving / f"{secrets.token_hex(12)}{ending}"

    def listens_again(self) -> None:
        """Let who was sending have the whole time again: nothing could come while nothing listened."""
        with self.changing() as database:
            database.execute("UPDATE jobs SET changed_at = ? WHERE state = 'receiving'", (self.clock(),))

    def complete(self, stable_after_s: float) -> list[int]:
        """Let the jobs wait for which nothing has come for so long; give their numbers."""
        with self.changing() as database:
            # what came in the future came before the clock was set back: it has the whole time again, and no more
            now = self.clock()
            again = "UPDATE jobs SET changed_at = ? WHERE state = 'receiving' AND changed_at > ?"
            database.execute(again, (now, now))
            rows = database.execute(
                "UPDATE jobs SET state = 'waiting' WHERE state = 'receiving' AND changed_at <= ? RETURNING number",
                (now - stable_after_s,),
            )
            return sorted(number for (number,) in rows.fetchall())

    def claim(self) -> Job | None:
        """Begin the job that has waited longest; None where there is none.

        One at which the service ended comes after all others: where it is the cause, it holds nobody up.
        """
        with self.changing() as database:
            row = database.execute(
                "UPDATE jobs SET state = 'running', lease = lease + 1, changed_at = ? WHERE number = (SELECT number "
                "FROM jobs WHERE state = 'waiting' AND not_before <= ? ORDER BY service_ends, number LIMIT 1) "
                f"RETURNING {COLUMNS}",
                (self.clock(), self.clock()),
            ).fetchone()
            return None if row is None else as_job(row)

    def is_ours(self, job: Job) -> bool:
        """Tell whether the outcome of a job that was begun is still wanted."""
        now = self.get(job.number)
        return now is not None and (now.state, now.lease) == ("running", job.lease)

    def finish(self, job: Job, outcome: Outcome, *, send_to: Sequence[str] | None = None) -> bool:
        """Put a job's work into the place of its results, with its outcome; False where nobody wants it any more.

        With `send_to` every file of the outcome is due at each of these destinations, and without any file, or any
        destination, the job is given up; without `send_to` results are fetched.
        """
        work, results = self.places.work(job.number, job.lease), self.places.results(job.number)
        work.mkdir(exist_ok=True, mode=0o700)
        with self.changing() as database:
            if not self.is_ours(job):
                shutil.rmtree(work)
                return False
            state = STATE_OF[type(outcome)]
            if send_to is not None and not (outcome.files and send_to):
                state = "given up"
            shutil.rmtree(results, ignore_errors=True)
            sync_folder(work)
            work.rename(results)
            sync_folder(results.parent)
            now, size = self.clock(), sum(of.stat().st_size for of in results.rglob("*") if of.is_file())
            database.execute(
                "UPDATE jobs SET state = ?, outcome = ?, changed_at = ?, size_bytes = size_bytes + ? WHERE number = ?",
                (state, outcome_to_json(outcome), now, size, job.number),
            )
            database.executemany(
                "INSERT INTO deliveries (job, destination, file, place, since, next_at) VALUES (?, ?, ?, ?, ?, ?)",
                [(job.number, to, *file[::-1], now, now) for to in send_to or () for file in enumerate(outcome.files)],
            )
            count(database, f"outcomes_{type(outcome).__name__.lower()}")
            if state == "given up":
                count(database, "given_up")
            return True

    def put_back(self, job: Job, *, after_s: float = 0, died: bool = False) -> bool:
        """Let a job wait again whose work came to nothing, by no fault of its own or by its process's death."""
        shutil.rmtree(self.places.work(job.number, job.lease), ignore_errors=True)
        with self.changing() as database:
            if not self.is_ours(job):
                return False
            database.execute(
                "UPDATE jobs SET state = 'waiting', not_before = ?, deaths = deaths + ? WHERE number = ?",
                (self.clock() + after_s, int(died), job.number),
            )
            return True

    def get(self, number: int) -> Job | None:
        """Give a job by its number."""
        with self._lock:
            row = self._database.execute(f"SELECT {COLUMNS} FROM jobs WHERE number = ?", (number,)).fetchone()
            return None if row is None else as_job(row)

    def latest(self, study: str) -> Job | None:
        """Give the newest job of a study for this model."""
        with self._lock:
            return latest_in(self._database, study, self.model)

    def jobs(self, *states: State) -> list[Job]:
        """Give all jobs, or those in these states, the oldest first."""
        with self._lock:
            rows = self._database.execute(f"SELECT {COLUMNS} FROM jobs ORDER BY number").fetchall()
        return [job for job in map(as_job, rows) if not states or job.state in states]

    def counts(self) -> Mapping[str, int]:
        """Count the jobs in each state."""
        with self._lock:
            return dict(self._database.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())

    def counters(self) -> Mapping[str, float]:
        """Give what was counted since this folder was made."""
        with self._lock:
            return dict(self._database.execute("SELECT name, value FROM counters").fetchall())

    def used_bytes(self) -> int:
        """Give how much everything takes that lies here."""
        with self._lock:
            (used,) = self._database.execute("SELECT coalesce(sum(size_bytes), 0) FROM jobs").fetchone()
            return int(used)

    def _recover(self) -> None:
        """Take over what a service left that ended at any moment."""
        with self.changing() as database:
            database.execute(
                "UPDATE jobs SET state = 'waiting', service_ends = service_ends + 1 WHERE state = 'running'"
            )
            open_states = ", ".join(f"'{state}'" for state in WITHOUT_OUTCOME)
            database.execute(f"UPDATE jobs SET model = ? WHERE state IN ({open_states})", (self.model,))
        known = {str(job.number): job for job in self.jobs()}
        with_outcome = {name for name, job in known.items() if job.outcome is not None}
        for folder, kept in (("studies", set(known)), ("results", with_outcome), ("arriving", set()), ("work", set())):
            for left in (self.places.root / folder).iterdir():
                if left.name not in kept:
                    _remove(left)


def latest_in(database: sqlite3.Connection, study: str, model: str | None) -> Job | None:
    """Give the newest job of a study and model, or of any model."""
    row = database.execute(
        f"SELECT {COLUMNS} FROM jobs WHERE study = ? AND model = coalesce(?, model) ORDER BY number DESC LIMIT 1",
        (study, model),
    ).fetchone()
    return None if row is None else as_job(row)


def _remove(path: Path) -> None:
    """Remove a file or a folder, whatever it is."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
