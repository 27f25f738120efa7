"""Tests of pnetkit.locks.way: all that share a folder exclude each other in one way."""

import pytest

from pnetkit.errors import StoreError
from pnetkit.locks import way
from pnetkit.locks.claims import Pace
from pnetkit.locks.way import NOTE, agree, way_of


@pytest.fixture
def lies_on(monkeypatch):
    def set_to(name):
        monkeypatch.setattr(way, "file_system_of", lambda _: name)

    return set_to


@pytest.mark.parametrize(("file_system", "kind"), [("ext4", "flock"), ("nfs4", "claims"), ("", "flock")])
def test_the_first_one_chooses_by_the_file_system_and_all_others_follow(tmp_path, lies_on, file_system, kind):
    lies_on(file_system)
    assert agree(tmp_path / "store").kind == kind
    lies_on("ext4")
    assert way_of(tmp_path / "store").kind == kind
    assert agree(tmp_path / "store").kind == kind


def test_what_was_asked_for_is_kept_with_its_pace(tmp_path, lies_on):
    lies_on("nfs4")
    assert agree(tmp_path, "flock").kind == "flock"
    assert agree(tmp_path).kind == "flock"  # somebody knows that it holds there
    (tmp_path / NOTE).write_text('{"locks": "claims", "asked": false, "beat_s": 1, "stale_s": 9}')
    assert way_of(tmp_path).pace == Pace(1.0, 9.0)


def test_two_ways_that_do_not_exclude_each_other_are_refused(tmp_path, lies_on):
    lies_on("ext4")
    agree(tmp_path)
    with pytest.raises(StoreError, match=r"locks of the kind flock, and claims was asked for.*delete .*locks\.json"):
        agree(tmp_path, "claims")
    lies_on("nfs")  # the same folder, on another machine than the one that serves it
    with pytest.raises(StoreError, match=r"lies on nfs here.*--store-locks claims"):
        agree(tmp_path)


@pytest.mark.parametrize("text", ["{", "{}", '{"locks": "hope", "asked": true, "beat_s": 1, "stale_s": 2}'])
def test_a_damaged_note_is_named(tmp_path, text):
    (tmp_path / NOTE).write_text(text)
    with pytest.raises(StoreError, match=r"locks\.json: cannot be read"):
        way_of(tmp_path)


def test_a_folder_without_a_note_is_not_written_to_by_asking(tmp_path):
    way_of(tmp_path)
    assert list(tmp_path.iterdir()) == []
