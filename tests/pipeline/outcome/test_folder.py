"""Tests of pnetkit.pipeline.outcome.folder: a run's folder is its own, and nothing of anybody else's is overwritten."""

import json
import os
import threading

import pytest

from pnetkit.errors import StoreError
from pnetkit.pipeline.outcome.folder import claim_folder, write_record


def test_a_new_or_empty_folder_is_claimed_and_the_same_run_may_come_back(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        for _ in range(2):
            claim_folder(tmp_path / name, "k1", "name: x\n")
        assert {path.name for path in (tmp_path / name).iterdir()} == {"claim.json", "recipe.yaml"}


def test_a_record_has_a_line_for_each_of_many_things_and_is_what_was_given(tmp_path):
    stages = [{"stage": "measure", "label": f"P{number} é\n"} for number in range(3)]
    record = {
        "recipe": "x",
        "stages": stages,
        "cases": {"P0": {"fold": None}},
        "failed": [],
        "costs": {},
        "seconds": 1.5,
    }
    write_record(tmp_path, record)
    text = (tmp_path / "run.json").read_text(encoding="utf-8")
    assert json.loads(text) == record
    assert list(json.loads(text)) == list(record)
    assert '    {"stage": "measure", "label": "P1 é\\n"},\n' in text
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(tmp_path, {"seconds": float("nan")})


def test_another_run_is_refused_also_while_the_first_is_unfinished(tmp_path):
    claim_folder(tmp_path / "out", "k1", "name: x\n")
    with pytest.raises(StoreError, match="holds another run"):
        claim_folder(tmp_path / "out", "k2", "name: y\n")
    assert (tmp_path / "out" / "recipe.yaml").read_text() == "name: x\n"


@pytest.mark.parametrize("name", ["recipe.yaml", "notes.txt", "cases.csv"])
def test_a_folder_with_anybody_s_files_is_refused_and_left_alone(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(StoreError, match="is not empty, and no run has claimed it"):
        claim_folder(tmp_path, "k1", "name: x\n")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_finished_run_of_an_earlier_release_is_claimed_by_the_same_run_only(tmp_path):
    (tmp_path / "run.json").write_text('{"run_key": "k1"}')
    with pytest.raises(StoreError, match="holds another run"):
        claim_folder(tmp_path, "k2", "name: x\n")
    claim_folder(tmp_path, "k1", "name: x\n")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(StoreError, match="is a file"):
        claim_folder(tmp_path / "out", "k1", "name: x\n")


def test_a_run_that_was_killed_while_it_claimed_may_come_back(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / ".claim.json.4711-00ff.tmp").write_text('{"run_')
    claim_folder(folder, "k1", "name: x\n")
    assert (folder / "recipe.yaml").read_text() == "name: x\n"


def test_a_claim_is_complete_from_its_first_moment(tmp_path, monkeypatch):
    """Between its making and its writing another process of the same run took it for the claim of another."""
    folder, seen = tmp_path / "out", []
    sync, mine = os.fsync, threading.get_ident()

    def look(descriptor):
        if threading.get_ident() != mine:  # other tests' services may still be writing
            return sync(descriptor)
        seen.append((folder / "claim.json").is_file() and (folder / "claim.json").read_text())
        return sync(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    claim_folder(folder, "k1", "name: x\n")
    assert seen == [False, '{"run_key": "k1"}\n']
