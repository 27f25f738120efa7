"""Open an SQLite file in a folder that processes share.

SQLite trusts the locks of the file system, which on a network may hold nobody off, or be refused. Where machines share
the folder by claims, the file is opened under one, and SQLite is told to lock nothing.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from pnetkit.locks.holding import held
from pnetkit.locks.way import way_of


@contextmanager
def opened(database: Path, *, patience_s: float) -> Iterator[sqlite3.Connection]:
    """Open a database in a store's folder, waiting for who writes into it.

    Raises sqlite3.Error for a damaged one, or where somebody writes for longer than `patience_s`.
    """
    way = way_of(database.parent)
    if way.kind == "flock":
        with closing(sqlite3.connect(database, timeout=patience_s)) as connection:
            yield connection
        return
    alone = f"{database.resolve().as_uri()}?nolock=1"
    with ExitStack() as stack:
        try:
            stack.enter_context(held(database.parent / "locks" / database.name, way, patience_s=patience_s))
        except TimeoutError as error:
            raise sqlite3.OperationalError(f"database is locked: {error}") from error
        yield stack.enter_context(closing(sqlite3.connect(alone, uri=True)))
