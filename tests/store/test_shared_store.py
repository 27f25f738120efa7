"""Tests of pnetkit.store.store where machines share it: what claims, delays and repeated requests may lead to."""

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from pnetkit.errors import StoreError
from pnetkit.files import write_json
from pnetkit.locks import claims
from pnetkit.locks.way import NOTE
from pnetkit.store import store as store_module
from pnetkit.store.garbage import unused_results
from pnetkit.store.locks import delete_free_locks
from pnetkit.store.node import Ref
from pnetkit.store.store import MadeElsewhereError, Store

KEY = "ab" * 32


@pytest.fixture
def store(tmp_path):
    root = tmp_path / "store"
    root.mkdir()
    (root / NOTE).write_text(json.dumps({"locks": "claims", "asked": True, "beat_s": 0.05, "stale_s": 0.3}))
    return Store(root)


def stop():
    """Let this process show no life, as one that is stopped: its claims stay, and nobody speaks for them."""
    for claim in list(claims._HEART._claims.values()):
        claims._HEART.forget(claim)


def paths(store):
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


def made(text):
    def make(folder):
        (folder / "result.txt").write_text(text)
        return {"what": text}

    return make


def test_a_result_is_made_once_and_leaves_no_claim(store):
    assert store.produce("measure", KEY, made("one"))
    assert not store.produce("measure", KEY, lambda _: pytest.fail("made twice"))
    of_it = f"measure/{KEY[:32]}/"
    assert paths(store) == [NOTE, f"{of_it}result.txt", f"{of_it}stage.json"]


def test_what_another_makes_is_passed_over(store):
    def make(folder):
        with pytest.raises(MadeElsewhereError):
            store.produce("measure", KEY, made("two"), wait=False)
        return made("one")(folder)

    assert store.produce("measure", KEY, make)
    assert store.record("measure", KEY) == {"what": "one"}


@pytest.mark.parametrize("wakes", ["while the other one makes it", "when the other one has made it"])
def test_of_one_that_was_stopped_and_who_took_over_exactly_one_publishes(store, wakes):
    """The one that was stopped goes on writing, and believes to the last that it holds the claim."""
    taken, woken, published = threading.Event(), threading.Event(), []

    def others(folder):
        taken.set()
        if wakes == "while the other one makes it":
            woken.wait(10)
        return made("others")(folder)

    def take_over():
        published.append(("others", store.produce("measure", KEY, others)))

    other = threading.Thread(target=take_over)

    def stopped(folder):
        stop()
        other.start()
        taken.wait(10)
        if wakes == "when the other one has made it":
            other.join()
        with pytest.raises(FileNotFoundError):
            (folder / "more.txt").write_text("goes nowhere")
        return {"what": "stopped"}

    with pytest.raises(MadeElsewhereError):
        store.produce("measure", KEY, stopped, wait=False)
    woken.set()
    other.join()
    assert published == [("others", True)]
    assert store.record("measure", KEY) == {"what": "others"}
    assert list((store.root / "partial").glob("measure*")) == []


def test_who_is_stopped_between_its_last_look_and_publishing_publishes_or_not_but_nobody_twice(store, monkeypatch):
    published = []

    def taken_over(work, final, said, **how):
        monkeypatch.undo()
        stop()
        published.append(store.produce("measure", KEY, made("others")))
        return store._publish(work, final, said, **how)

    monkeypatch.setattr(store, "_publish", taken_over)
    assert store.produce("measure", KEY, made("stopped")) is False
    assert published == [True]
    assert store.record("measure", KEY) == {"what": "others"}


def test_who_takes_over_goes_on_from_the_checkpoint_and_the_other_one_writes_none_any_more(store):
    def killed(folder):
        (folder / "checkpoint").write_text("50")
        stop()
        threading.Thread(target=lambda: result.append(store.produce("train", KEY, resume, keeps_partial=True))).start()
        done.wait(10)
        with pytest.raises(FileNotFoundError):
            write_json(folder / "progress.json", {"done": 60})
        raise FileNotFoundError(folder)

    def resume(folder):
        assert (folder / "checkpoint").read_text() == "50"
        write_json(folder / "progress.json", {"done": 51})
        assert store.progress("train", KEY) == {"done": 51}
        done.set()
        return {}

    result, done = [], threading.Event()
    with pytest.raises(MadeElsewhereError):
        store.produce("train", KEY, killed, keeps_partial=True, wait=False)
    while not result:
        pass
    assert result == [True]


def test_a_renaming_that_was_done_and_answered_with_an_error_is_done(store, monkeypatch):
    """NFS sends a request again where the answer was lost; the second time there is nothing left to rename."""
    rename = Path.rename

    def twice(self, target):
        done = rename(self, target)
        if "partial" in self.parts:
            rename(self, target)
        return done

    monkeypatch.setattr(Path, "rename", twice)
    assert store.produce("measure", KEY, made("one"))
    assert store.record("measure", KEY) == {"what": "one"}


def test_a_claim_that_was_taken_and_answered_with_an_error_is_taken(tmp_path, monkeypatch):
    rename = Path.rename

    def twice(self, target):
        rename(self, target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", twice)
    assert claims.take(tmp_path / "one.claim", claims.Pace()) is not None


def test_a_result_that_is_not_seen_yet_is_waited_for(store, monkeypatch):
    threading.Timer(0.3, store.produce, args=("measure", KEY, made("one"))).start()
    store.await_results([Ref("measure", KEY)])
    assert store.has("measure", KEY)
    monkeypatch.setattr(store_module, "PATIENCE_S", 0.1)
    with pytest.raises(StoreError, match=r"is not there, though it was made\. See that all machines"):
        store.await_results([Ref("measure", "cd" * 32)])


def test_a_result_that_lies_there_unseen_is_never_made_again(store, monkeypatch):
    """A machine may remember for a while that something is not there: it is asked anew before anything is made."""
    store.produce("measure", KEY, made("one"))
    seen, has = [], store.has

    def has_late(stage, key):
        seen.append(key)
        return has(stage, key) if len(seen) > 1 else False

    monkeypatch.setattr(store, "has", has_late)
    assert not store.produce("measure", KEY, lambda _: pytest.fail("made twice"))


def test_unfinished_work_is_told_from_what_a_run_needs_whoever_was_at_it(store):
    store.partial("train", KEY, "ef" * 8).mkdir(parents=True)
    (store.root / "partial" / ".abcd.left").mkdir()
    assert {of.folder.name for of in unused_results(store, [], ["train"])} == {
        f"train-{KEY[:32]}.{'ef' * 8}",
        ".abcd.left",
    }
    assert {of.lock for of in unused_results(store, [], ["train"])} == {f"train-{KEY[:32]}", ".abcd.left"}


def test_a_folder_that_belongs_to_somebody_else_is_looked_at_all_the_same(tmp_path, monkeypatch):
    def refused(_):
        raise PermissionError

    seen, real = [], Path.iterdir
    monkeypatch.setattr(os, "utime", refused)
    monkeypatch.setattr(Path, "iterdir", lambda folder: (seen.append(folder), real(folder))[1])
    store_module.refresh(tmp_path)
    monkeypatch.undo()
    assert seen == [tmp_path]
    shutil.rmtree(tmp_path)
    store_module.refresh(tmp_path)
    assert not tmp_path.exists()  # what is gone is no error, and is not made again


def test_free_locks_are_deleted_without_a_lock_of_the_system(store, monkeypatch):
    def refused(*_, **__):
        raise OSError("no locks available")

    monkeypatch.setattr("pnetkit.store.locks.FileLock", refused)
    assert delete_free_locks(store.root) == 0
