"""Tests of pnetkit.store.garbage: nothing that a run needs, and nothing under way, is deleted."""

import json

import pytest
from filelock import FileLock

from pnetkit.errors import StoreError
from pnetkit.store.garbage import delete, unused_results
from pnetkit.store.store import Store

KEYS = ["aa" * 32, "bb" * 32, "cc" * 32]


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store")
    for key in KEYS:
        made.produce("measure", key, lambda folder: (folder / "x").write_bytes(b"123") and {})
    return made


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"stages": [{"stage": "measure", "key": KEYS[0]}]}))
    return folder


def test_results_that_no_run_names_are_found_with_their_size(store, run):
    found = unused_results(store, [run], ["measure"])
    assert [item.folder for item in found] == [store.folder("measure", key) for key in KEYS[1:]]
    assert all(item.size >= 3 for item in found)


def test_only_these_are_deleted_and_one_under_way_is_left(store, run):
    with FileLock(store.root / "locks" / f"measure-{KEYS[1][:32]}.lock"):
        assert delete(store, unused_results(store, [run], ["measure"])) == (1, 1)
    assert [store.has("measure", key) for key in KEYS] == [True, True, False]


def test_work_in_progress_is_no_garbage(store, run):
    (store.partial("train", KEYS[0]) / "checkpoint").mkdir(parents=True)
    delete(store, unused_results(store, [run], ["measure"]))
    assert (store.partial("train", KEYS[0]) / "checkpoint").exists()


def test_a_run_that_cannot_be_read_stops_everything(store, run):
    (run / "run.json").write_text("{")
    with pytest.raises(StoreError, match="nothing is deleted"):
        unused_results(store, [run], ["measure"])
