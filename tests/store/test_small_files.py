"""Tests of pnetkit.store.small_files: what did not change is not read again, and what is damaged never counts."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pnetkit.errors import StoreError
from pnetkit.files import write_json
from pnetkit.store import small_files as module
from pnetkit.store.node import Ref
from pnetkit.store.small_files import INDEX, small_files
from pnetkit.store.store import RECORD, Store

REFS = [Ref("classify", f"{number:032}" + 32 * "a") for number in range(1200)]  # more than one question's worth


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FRESH_NS", 0)  # files of a test are as fresh as can be
    found = Store(tmp_path)
    for number in (0, 1, 1199):
        found.of(REFS[number]).mkdir(parents=True)
        write_json(found.of(REFS[number]) / "finding.json", {"score": number})
        write_json(found.of(REFS[number]) / RECORD, {"stage": "classify", "number": number})
    return found


@pytest.fixture
def opened(monkeypatch):
    """The small files that are read."""
    seen, real = [], Path.read_text

    def read_text(path, **how):
        if path.parent.parent.name == "classify":
            seen.append(path.name)
        return real(path, **how)

    monkeypatch.setattr(Path, "read_text", read_text)
    return seen


def scores(store):
    with small_files(store, REFS) as small:
        return [small.json(REFS[number], "finding.json")["score"] for number in (0, 1, 1199)]


def changed_in(store, sql, *values):
    with closing(sqlite3.connect(store.root / INDEX)) as connection, connection:
        connection.execute(sql, values)


def test_files_that_did_not_change_are_read_once(store, opened):
    assert scores(store) == [0, 1, 1199]
    assert opened == ["finding.json"] * 3
    assert scores(store) == [0, 1, 1199]
    assert opened == ["finding.json"] * 3


def test_a_file_that_changed_is_read_again_and_one_that_is_gone_is_missed(store, opened):
    scores(store)
    path = store.of(REFS[1]) / "finding.json"
    write_json(path, {"score": 7})  # of the same length, in another file
    assert scores(store) == [0, 7, 1199]
    assert len(opened) == 4
    assert scores(store) == [0, 7, 1199]
    path.unlink()
    with pytest.raises(FileNotFoundError):
        scores(store)


def test_a_file_that_was_written_a_moment_ago_is_not_kept(store, monkeypatch, opened):
    monkeypatch.setattr(module, "FRESH_NS", 3600 * 10**9)
    assert [scores(store), scores(store)] == [[0, 1, 1199]] * 2
    assert len(opened) == 6


@pytest.mark.parametrize("column", ["text", "state", "digest"])
def test_what_is_damaged_in_the_index_does_not_count(store, column):
    scores(store)
    changed_in(store, f"UPDATE files SET {column} = '{{\"score\": 666}}'")
    assert scores(store) == [0, 1, 1199]


def test_what_stands_under_another_file_does_not_count(store):
    scores(store)
    swap = "UPDATE files SET text = (SELECT text FROM files WHERE folder LIKE '%1199')"
    changed_in(store, swap)
    assert scores(store) == [0, 1, 1199]


@pytest.mark.parametrize("damage", [b"", b"no database at all, but long enough to be looked at as one" * 99])
def test_an_index_that_is_no_database_is_made_anew(store, damage, opened):
    scores(store)
    (store.root / INDEX).write_bytes(damage)
    for _ in range(3):
        assert scores(store) == [0, 1, 1199]
    assert len(opened) <= 9  # the third of them found a whole one


def test_an_index_that_is_cut_off_in_the_middle_never_lies(store):
    scores(store)
    whole = (store.root / INDEX).read_bytes()
    for length in range(1, len(whole), 997):
        (store.root / INDEX).write_bytes(whole[:length])
        assert scores(store) == [0, 1, 1199]


def test_an_index_that_cannot_be_written_costs_nothing(store):
    (store.root / INDEX).mkdir()
    assert [scores(store), scores(store)] == [[0, 1, 1199]] * 2


def test_a_record_is_read_in_the_same_way_and_a_damaged_one_is_told_in_words(store, opened):
    for _ in range(2):
        with small_files(store, REFS) as small:
            assert small.record("classify", REFS[1].key)["number"] == 1
    assert opened == [RECORD]
    (store.of(REFS[1]) / RECORD).write_text("{")
    with small_files(store, REFS) as small, pytest.raises(StoreError, match=r"Delete .* to make it again"):
        small.record("classify", REFS[1].key)


def test_a_store_that_was_moved_is_read_as_it_is(store, tmp_path, opened):
    scores(store)
    os.rename(tmp_path, tmp_path.with_name("moved"))  # noqa: PTH104
    assert scores(Store(tmp_path.with_name("moved"))) == [0, 1, 1199]
    assert len(opened) == 3
