"""The file of a queue: its tables, and transactions that are on the disk when they are done."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from pnetkit.serve.values import FullError, Job, outcome_from_json

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, study TEXT NOT NULL, model TEXT NOT NULL, state TEXT NOT NULL,
    images INTEGER NOT NULL DEFAULT 0, size_bytes INTEGER NOT NULL DEFAULT 0, earlier INTEGER,
    lease INTEGER NOT NULL DEFAULT 0, deaths INTEGER NOT NULL DEFAULT 0,
    service_ends INTEGER NOT NULL DEFAULT 0, received_at REAL NOT NULL,
    changed_at REAL NOT NULL, came_from TEXT NOT NULL, outcome TEXT, not_before REAL NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS by_study ON jobs (study, model, number);
CREATE INDEX IF NOT EXISTS by_state ON jobs (state, number);
CREATE TABLE IF NOT EXISTS images (
    job INTEGER NOT NULL, digest TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (job, digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    job INTEGER NOT NULL, destination TEXT NOT NULL, file TEXT NOT NULL, place INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'due',
    tries INTEGER NOT NULL DEFAULT 0, since REAL NOT NULL, next_at REAL NOT NULL,
    PRIMARY KEY (job, destination, file)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_time ON deliveries (state, next_at);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
"""

_NAMES = [field.name for field in fields(Job)]

COLUMNS = ", ".join(_NAMES)
"""What `as_job` reads: the table's columns are named as a job's fields."""


def connect(path: Path) -> sqlite3.Connection:
    """Open a queue's file, which is made where there is none; a transaction that is done outlasts a loss of power."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted of a patient is overwritten
    connection.executescript(SCHEMA)
    if not any(row[1] == "service_ends" for row in connection.execute("PRAGMA table_info(jobs)")):  # of an earlier one
        connection.execute("ALTER TABLE jobs ADD COLUMN service_ends INTEGER NOT NULL DEFAULT 0")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Do all or nothing. Raises FullError where the disk takes no more."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            if connection.in_transaction:  # SQLite undoes some itself, as where the disk is full
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FullError("the disk is full") from error
        raise
    except sqlite3.OperationalError as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if "full" in str(error):
            raise FullError("the disk is full") from error
        raise


def as_job(row: tuple[Any, ...]) -> Job:
    """Make a job of a row of `COLUMNS`."""
    named: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    return Job(**named | {"outcome": outcome_from_json(named["outcome"])})


def count(connection: sqlite3.Connection, name: str, by: float = 1) -> None:
    """Add to a counter, which outlasts what it counted."""
    connection.execute(
        "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value", (name, by)
    )
