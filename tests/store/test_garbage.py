"""Tests of pnetkit.store.garbage: nothing that a run needs, and nothing under way, is deleted."""

import json

import pytest
from filelock import FileLock

from pnetkit.errors import StoreError
from pnetkit.pipeline.outcome.folder import claim_folder
from pnetkit.store.garbage import delete, unused_results
from pnetkit.store.holders import note_holder
from pnetkit.store.node import Ref
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


def test_work_that_a_run_will_end_or_that_somebody_is_at_is_no_garbage_and_what_is_left_over_is(store, run, tmp_path):
    for stage, key in (("measure", KEYS[0]), ("train", KEYS[0]), ("train", KEYS[1]), ("train", KEYS[2])):
        (store.partial(stage, key) / "checkpoint").mkdir(parents=True)
    claim_folder(tmp_path / "going", "k1", "name: x\n")
    note_holder(store, "k1", tmp_path / "going", [Ref("train", KEYS[1])])
    with FileLock(store.root / "locks" / f"train-{KEYS[2][:32]}.lock"):
        delete(store, unused_results(store, [run], ["measure"]))
        left = {path.name for path in store.partials()}
        assert left == {f"measure-{KEYS[0][:32]}", f"train-{KEYS[1][:32]}", f"train-{KEYS[2][:32]}"}
    delete(store, unused_results(store, [run], ["measure"]))
    assert {path.name for path in store.partials()} == {f"measure-{KEYS[0][:32]}", f"train-{KEYS[1][:32]}"}


def test_locks_that_nobody_holds_are_tidied_and_results_can_be_made_as_before(store, run):
    assert delete(store, unused_results(store, [run], ["measure"])) == (2, 0)
    assert list((store.root / "locks").iterdir()) == []
    assert store.produce("measure", KEYS[1], lambda _: {})
    assert not store.produce("measure", KEYS[0], lambda _: {})


def test_work_that_was_ended_between_looking_and_deleting_is_left(store, run):
    (store.partial("train", KEYS[0])).mkdir(parents=True)
    found = unused_results(store, [run], ["measure"])[-1:]
    assert found[0].folder == store.partial("train", KEYS[0])
    store.produce("train", KEYS[0], lambda _: {}, keeps_partial=True)
    assert delete(store, found) == (0, 0)
    assert store.has("train", KEYS[0])


def test_a_run_that_cannot_be_read_stops_everything(store, run):
    (run / "run.json").write_text("{")
    with pytest.raises(StoreError, match="nothing is deleted"):
        unused_results(store, [run], ["measure"])
