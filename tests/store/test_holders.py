"""Tests of pnetkit.store.holders: a run's results are held from its beginning, wherever its folder is."""

import json
import shutil

import pytest

from pnetkit.errors import StoreError
from pnetkit.pipeline.outcome.folder import claim_folder
from pnetkit.store.garbage import unused_results
from pnetkit.store.holders import holders, note_holder
from pnetkit.store.node import Ref
from pnetkit.store.store import Store

KEYS = ["aa" * 32, "bb" * 32]


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store")
    for key in KEYS:
        made.produce("measure", key, lambda folder: (folder / "x").write_bytes(b"123") and {})
    return made


def unused(store):
    return [item.folder for item in unused_results(store, [], ["measure"])]


def test_what_a_run_needs_is_held_from_its_beginning_wherever_its_folder_is(store, tmp_path):
    assert len(unused(store)) == 2
    claim_folder(tmp_path / "elsewhere" / "out", "k1", "name: x\n")
    note_holder(store, "k1", tmp_path / "elsewhere" / "out", [Ref("measure", KEYS[0]), Ref("train", "cc" * 32)])
    assert unused(store) == [store.folder("measure", KEYS[1])]


def test_a_run_whose_folder_is_gone_or_another_s_holds_nothing(store, tmp_path):
    claim_folder(tmp_path / "out", "k1", "name: x\n")
    note_holder(store, "k1", tmp_path / "out", [Ref("measure", KEYS[0])])
    shutil.rmtree(tmp_path / "out")
    assert len(unused(store)) == 2
    claim_folder(tmp_path / "out", "k2", "name: y\n")
    assert [holder.is_there for holder in holders(store)] == [False]
    assert len(unused(store)) == 2


def test_store_and_run_may_move_together(store, tmp_path):
    claim_folder(tmp_path / "out", "k1", "name: x\n")
    note_holder(store, "k1", tmp_path / "out", [Ref("measure", KEYS[0])])
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    shutil.move(tmp_path, moved)
    there = Store(moved / "store")
    assert unused(there) == [there.folder("measure", KEYS[1])]


def test_a_note_that_cannot_be_read_deletes_nothing(store):
    (store.root / "runs").mkdir()
    (store.root / "runs" / "k.json").write_text(json.dumps({"folder": "x"}))
    with pytest.raises(StoreError, match="so nothing is deleted"):
        unused(store)
