"""Tests of pnetkit.files: complete or not at all, digests, and disks in words."""

import errno
import os

import pytest

from pnetkit.errors import ImageError, StoreError
from pnetkit.files import (
    digest,
    disk_errors_in_words,
    file_digest,
    held_still,
    is_leftover_of,
    read_json,
    require_digest,
    write_atomically,
    write_first,
    write_json,
)


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


def test_the_first_of_two_writes_a_file_and_no_other_file_is_left(tmp_path):
    assert write_first(tmp_path / "a", b"one")
    assert not write_first(tmp_path / "a", b"two")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"one"}


def test_the_first_is_the_first_where_a_file_cannot_have_two_names(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, "not permitted")

    monkeypatch.setattr(os, "link", no_links)
    test_the_first_of_two_writes_a_file_and_no_other_file_is_left(tmp_path)


def test_a_file_is_never_seen_before_it_is_complete(tmp_path, monkeypatch):
    seen = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda of: (seen.append((tmp_path / "a").exists()), sync(of)))
    write_first(tmp_path / "a", b"one")
    assert seen == [False]
    assert (tmp_path / "a").exists()


def test_what_a_killed_process_leaves_is_known_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda one, _: (tmp_path / "kept").write_text(one.name))
    write_first(tmp_path / "a.json", b"{}")
    left = tmp_path / (tmp_path / "kept").read_text()
    assert is_leftover_of("a.json", left)
    assert not is_leftover_of("a.json", tmp_path / "a.json")
    assert not is_leftover_of("b.json", left)


def test_a_file_for_its_owner_alone_is_never_open_to_others(tmp_path, monkeypatch):
    modes = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda of: (modes.append(os.fstat(of).st_mode & 0o777), sync(of)))
    write_atomically(tmp_path / "a", b"secret", mode=0o600)
    assert modes == [0o600]
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_is_no_matter_of_the_disk_is_raised_as_it_is(tmp_path):
    with pytest.raises(OSError, match="Too many open files"), disk_errors_in_words(tmp_path):
        raise OSError(errno.EMFILE, "Too many open files")


@pytest.fixture
def old(tmp_path):
    """A file that was written long ago."""
    path = tmp_path / "old.nii"
    path.write_bytes(b"abc")
    os.utime(path, ns=(10**18, 10**18))
    return path


def replaced(path):
    (path.parent / "new").write_bytes(path.read_bytes())
    os.utime(path.parent / "new", ns=(10**18, 10**18))
    (path.parent / "new").replace(path)


@pytest.mark.parametrize(
    "change",
    [lambda p: p.write_bytes(b"abcd"), lambda p: p.write_bytes(b"xyz"), replaced, lambda p: p.unlink()],
    ids=["longer", "other bytes", "another file of the same", "gone"],
)
def test_a_file_that_changes_while_it_is_read_is_refused(old, change):
    with pytest.raises(ImageError, match=r"old\.nii: was changed while it was read\. Wait"), held_still([old]):
        change(old)


def test_a_fresh_file_that_changes_within_one_tick_of_the_disk_s_clock_is_refused(tmp_path):
    path = tmp_path / "fresh.nii"
    path.write_bytes(b"abc")
    before = path.stat()

    def at_the_same_moment():
        path.write_bytes(b"xyz")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(ImageError, match="was changed while it was read"), held_still([path]):
        at_the_same_moment()
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_of_a_file_that_changed_that_is_said_and_not_what_half_of_it_looked_like(old):
    def cut_short():
        old.write_bytes(b"a")
        raise ImageError("it is truncated")

    with pytest.raises(ImageError, match="was changed while it was read"), held_still([old]):
        cut_short()


def test_files_that_stay_as_they_are_are_no_hindrance_nor_one_that_is_not_there(old, tmp_path):
    with held_still([old, tmp_path / "none"]):
        assert old.read_bytes() == b"abc"
    with pytest.raises(ImageError, match="it is truncated"), held_still([old]):
        raise ImageError("it is truncated")


def test_a_file_is_held_to_the_digest_of_its_check(old):
    require_digest(old, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    with pytest.raises(
        ImageError, match=r"has changed since it was checked \(SHA-256 ba7816bf8f01…, wanted 00…\)\. Run"
    ):
        require_digest(old, "00")
    old.unlink()
    with pytest.raises(ImageError, match=r"could be read when it was checked, and cannot any more \(No such file"):
        require_digest(old, "00")
