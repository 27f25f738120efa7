"""Tests of pnetkit.locks.database: who waits for a database, and how long."""

import sqlite3

import pytest

from pnetkit.locks.database import opened
from pnetkit.locks.holding import held
from pnetkit.locks.way import agree, way_of


@pytest.mark.parametrize("kind", ["flock", "claims"])
def test_a_database_that_somebody_writes_for_long_is_an_error_of_sqlite_s_and_not_waited_for(tmp_path, kind):
    agree(tmp_path, kind)
    database = tmp_path / "small.sqlite"
    with opened(database, patience_s=1) as connection, connection:
        connection.execute("create table t (x)")
    way = way_of(tmp_path)
    assert way.kind == kind
    if kind == "claims":
        with (
            held(tmp_path / "locks" / database.name, way),
            pytest.raises(sqlite3.OperationalError, match="locked"),
            opened(database, patience_s=0.1),
        ):
            pass
    else:
        writing = sqlite3.connect(database)
        writing.execute("begin immediate")
        with pytest.raises(sqlite3.OperationalError, match="locked"), opened(database, patience_s=0.1) as connection:
            connection.execute("insert into t values (1)")
        writing.close()
    with opened(database, patience_s=1) as connection, connection:
        connection.execute("insert into t values (1)")
