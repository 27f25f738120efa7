"""Pack and unpack gzip as fast as a processor can: Intel's isa-l, which other processors than Intel's run too.

The labels of a 512 x 512 x 320 scan are packed in half a second where Python's own zlib takes three. What is packed can
be a thousand times as large as the file, so nothing is unpacked further than its reader asks.
"""

import bz2
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from isal import igzip, igzip_lib

_ISAL_ERROR: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # its stub calls it an instance

DAMAGE: tuple[type[Exception], ...] = (EOFError, zlib.error, _ISAL_ERROR, gzip.BadGzipFile)
"""What unpacking raises on a file that is cut short, changed, or no gzip at all; bzip2 raises OSError too."""

MOST_UNPACKED = {"": 1, "gzip": 1032}
"""How many times its size a file unpacks to at the most: deflate says 258 bytes with two bits. bzip2 has no bound."""

_BEGINNINGS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\xfd7zXZ\0": "xz",
    b"PK\3\4": "zip",
}

_STEP = 2**20


def pack(data: bytes) -> bytes:
    """Compress bytes; the same bytes give the same file, whenever it is made."""
    packed: bytes = igzip.compress(data, compresslevel=1, mtime=0)
    return packed


def packing(path: Path) -> str:
    """Say how a file is packed by its first bytes, whatever it is called; empty where it is not. Raises OSError."""
    with path.open("rb") as file:
        first = file.read(max(map(len, _BEGINNINGS)))
    return next((name for beginning, name in _BEGINNINGS.items() if first.startswith(beginning)), "")


@contextmanager
def opened(path: Path, packing: str) -> Iterator[BufferedIOBase]:
    """Open what is in a file that is packed by gzip or bzip2, or the file itself.

    Only at the very end gzip says whether any byte of it has changed: who reads to the end reads it sound. Reading
    raises one of `DAMAGE` or OSError where it cannot go on.
    """
    stream: Any
    if packing == "gzip":
        stream = igzip.open(path)  # type: ignore[no-untyped-call]
    elif packing == "bzip2":
        stream = bz2.open(path)  # noqa: SIM115  # closed below
    else:
        stream = path.open("rb")
    with stream:
        yield stream


def read_into(stream: BufferedIOBase, target: memoryview) -> int:
    """Fill `target` in steps, so that no memory is touched that nothing is read for; give how many bytes came."""
    done = 0
    while done < len(target):
        part = stream.read(min(_STEP, len(target) - done))
        if not part:
            break
        target[done : done + len(part)] = part
        done += len(part)
    return done


def skip(stream: BufferedIOBase, count: int) -> int:
    """Read `count` bytes on without keeping any; give how many there were."""
    done = 0
    while done < count and (part := stream.read(min(_STEP, count - done))):
        done += len(part)
    return done


def as_gzip(path: Path) -> bytes:
    """Give a file packed by gzip: itself where it is so, its contents packed otherwise. Raises as reading does."""
    how = packing(path)
    if how == "gzip":
        return path.read_bytes()
    with opened(path, how) as stream:
        return pack(stream.read())
