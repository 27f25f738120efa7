"""Files are packed so that everybody can read them, and damage in them is found."""

import gzip
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pnetkit.imaging.gz import DAMAGE, pack, unpack


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
