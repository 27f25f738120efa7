"""Tests of pnetkit.files: complete or not at all, digests, and disks in words."""

import errno
import os

import pytest

from pnetkit.errors import StoreError
from pnetkit.files import digest, disk_errors_in_words, file_digest, read_json, write_atomically, write_json


def test_a_digest_does_not_depend_on_the_order_of_keys_and_refuses_nan():
    assert digest({"a": 1, "b": [2.5, None]}) == digest({"b": [2.5, None], "a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        digest({"a": float("nan")})


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_json_is_read_as_it_was_written(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, "ä"]})
    assert read_json(tmp_path / "a.json") == {"b": [1, "ä"]}


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path, monkeypatch):
    write_atomically(tmp_path / "a", b"before")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pnetkit.files.os.fsync", full)
    with pytest.raises(StoreError, match="the disk is full"), disk_errors_in_words(tmp_path):
        write_atomically(tmp_path / "a", b"after")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"


def test_a_file_for_its_owner_alone_is_never_open_to_others_whatever_an_earlier_call_left(tmp_path):
    left = tmp_path / f".a.{os.getpid()}.tmp"
    left.write_bytes(b"")
    left.chmod(0o666)
    write_atomically(tmp_path / "a", b"secret", mode=0o600)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_is_no_matter_of_the_disk_is_raised_as_it_is(tmp_path):
    with pytest.raises(OSError, match="Too many open files"), disk_errors_in_words(tmp_path):
        raise OSError(errno.EMFILE, "Too many open files")
