"""Tests of pnetkit.store.store: a result is there complete, or not at all."""

import os
import threading

import pytest

from pnetkit.errors import StoreError
from pnetkit.files import write_json
from pnetkit.store.store import Store

KEY = "ab" * 32


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def make_text(folder):
    (folder / "result.txt").write_text("done")
    return {"what": "a result"}


def test_a_result_is_made_once_and_says_what_it_is(store):
    assert store.produce("measure", KEY, make_text)
    assert not store.produce("measure", KEY, lambda _: pytest.fail("made twice"))
    assert store.has("measure", KEY)
    assert store.record("measure", KEY) == {"what": "a result"}
    assert (store.folder("measure", KEY) / "result.txt").read_text() == "done"
    assert not store.partial("measure", KEY).exists()


def test_a_failed_attempt_leaves_nothing_behind_that_counts(store):
    def fail(folder):
        (folder / "half.txt").write_text("half")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.produce("measure", KEY, fail)
    assert not store.has("measure", KEY)
    assert store.produce("measure", KEY, make_text)
    assert sorted(p.name for p in store.folder("measure", KEY).iterdir()) == ["result.txt", "stage.json"]


def test_an_interrupted_training_finds_what_it_left(store):
    store.partial("train", KEY).mkdir(parents=True)
    (store.partial("train", KEY) / "checkpoint").write_text("50")

    def resume(folder):
        assert (folder / "checkpoint").read_text() == "50"
        return {}

    assert store.produce("train", KEY, resume, keeps_partial=True)


def test_a_result_that_lost_its_record_is_made_again(store):
    store.folder("measure", KEY).mkdir(parents=True)
    (store.folder("measure", KEY) / "result.txt").write_text("damaged")
    assert store.produce("measure", KEY, make_text)
    assert (store.folder("measure", KEY) / "result.txt").read_text() == "done"


def test_a_damaged_record_is_named_with_what_to_do(store):
    store.produce("measure", KEY, make_text)
    (store.folder("measure", KEY) / "stage.json").write_text("{")
    with pytest.raises(StoreError, match=r"cannot be read .* Delete .* to make it again"):
        store.record("measure", KEY)


def test_two_that_want_the_same_result_make_it_once(store):
    made, begun = [], threading.Event()

    def slow(folder):
        begun.set()
        made.append(1)
        threading.Event().wait(0.3)
        return make_text(folder)

    first = threading.Thread(target=store.produce, args=("measure", KEY, slow))
    first.start()
    begun.wait()
    assert not store.produce("measure", KEY, slow)
    first.join()
    assert made == [1]


def test_progress_is_what_the_task_last_said(store):
    assert store.progress("train", KEY) == {}
    store.partial("train", KEY).mkdir(parents=True)
    write_json(store.partial("train", KEY) / "progress.json", {"done": 7})
    assert store.progress("train", KEY) == {"done": 7}


def test_a_store_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("I am a file")
    with pytest.raises(StoreError, match=r"not a folder; choose another place"):
        Store(tmp_path / "file").produce("measure", KEY, make_text)


@pytest.mark.parametrize(
    ("number", "words"), [("ENOSPC", "disk is full"), ("EROFS", "read-only"), ("EACCES", "may not be")]
)
def test_a_full_or_locked_disk_is_said_in_words(store, number, words):
    import errno

    def fail(folder):
        code = getattr(errno, number)
        raise OSError(code, os.strerror(code), str(folder / "result"))

    with pytest.raises(StoreError, match=words):
        store.produce("measure", KEY, fail)


def test_json_is_the_same_bytes_and_refuses_nan(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "é"})
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n  "b": 1,\n  "a": "é"\n}\n'
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "b.json", {"a": float("nan")})
    assert not (tmp_path / "b.json").exists()
