"""Files are packed so that everybody can read them, and damage in them is found."""

import bz2
import gzip
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pnetkit.imaging.gz import DAMAGE, as_gzip, opened, pack, packing, read_into, skip


def unpack(path: Path, packed: str = "gzip") -> bytes:
    with opened(path, packed) as stream:
        return stream.read()


@given(st.binary(max_size=5000))
def test_python_reads_what_is_packed(data: bytes):
    assert gzip.decompress(pack(data)) == data


@pytest.mark.parametrize("level", [1, 9])
def test_what_others_have_packed_is_unpacked_also_in_several_members(tmp_path: Path, level: int):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"first " * 1000, level) + gzip.compress(b"second" * 1000, level))
    assert unpack(path) == b"first " * 1000 + b"second" * 1000


def test_the_same_bytes_give_the_same_file():
    assert pack(b"labels" * 999) == pack(b"labels" * 999)


@pytest.mark.parametrize("place", range(0, 60, 3))
def test_a_flipped_bit_is_found_or_changes_nothing(tmp_path: Path, place: int):
    packed = bytearray(pack(bytes(range(256)) * 20))
    packed[place % len(packed)] ^= 1
    path = tmp_path / "a.gz"
    path.write_bytes(packed)
    with suppress(DAMAGE):
        assert unpack(path) == bytes(range(256)) * 20  # a bit of the time or the system in the head


@pytest.mark.parametrize("lost", [1, 8, 9, 30])
def test_a_lost_end_is_found(tmp_path: Path, lost: int):
    path = tmp_path / "a.gz"
    path.write_bytes(pack(bytes(range(256)) * 20)[:-lost])
    with pytest.raises(DAMAGE):
        unpack(path)


@pytest.mark.parametrize(
    ("data", "packed"),
    [(gzip.compress(b"x"), "gzip"), (bz2.compress(b"x"), "bzip2"), (b"\xfd7zXZ\0...", "xz"), (b"x", ""), (b"", "")],
    ids=["gzip", "bzip2", "xz", "plain", "empty"],
)
def test_a_packing_is_told_by_the_first_bytes_and_not_by_the_name(tmp_path: Path, data: bytes, packed: str):
    (tmp_path / "a.nii").write_bytes(data)
    assert packing(tmp_path / "a.nii") == packed


@pytest.mark.parametrize("packed", ["", "gzip", "bzip2"])
def test_parts_are_read_and_skipped_and_counted(tmp_path: Path, packed: str):
    data = bytes(range(200))
    (tmp_path / "a").write_bytes({"": data, "gzip": gzip.compress(data), "bzip2": bz2.compress(data)}[packed])
    target = bytearray(50)
    with opened(tmp_path / "a", packed) as stream:
        assert skip(stream, 100) == 100
        assert read_into(stream, memoryview(target)) == 50
        assert bytes(target) == data[100:150]
        assert skip(stream, 100) == 50
        assert read_into(stream, memoryview(target)) == 0


def test_whatever_a_file_is_called_and_packed_by_it_becomes_gzip_once(tmp_path: Path):
    for name, data in {"A.NII.GZ": gzip.compress(b"x"), "a.nii.bz2": bz2.compress(b"x"), "a.nii": b"x"}.items():
        (tmp_path / name).write_bytes(data)
        assert gzip.decompress(as_gzip(tmp_path / name)) == b"x"
