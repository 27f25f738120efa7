"""Bound what one client may bring: bytes, unpacked bytes, files, and time."""

import os
from dataclasses import dataclass
from pathlib import Path

from pnetkit.serve.http.refused import RequestError

SMALL = 100 * 2**20
"""Whatever packs to nothing and unpacks to no more than this does no harm."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bound one study: as it comes, unpacked, in files; how often it may be larger unpacked; how long a client waits.

    `at_once` studies come at a time; others wait before anything of them is read.
    """

    most_bytes: int = 4 * 10**9
    most_unpacked: int = 8 * 10**9
    most_files: int = 20_000
    most_ratio: int = 100
    idle_s: float = 60.0
    at_once: int = 8

    def require_size(self, size: int) -> None:
        """Raise RequestError where more bytes come than may."""
        if size > self.most_bytes:
            raise RequestError(413, f"a study may have at most {self.most_bytes} bytes as it is sent; send it in parts")

    def require_files(self, count: int) -> None:
        """Raise RequestError where more files come than may."""
        if count > self.most_files:
            raise RequestError(413, f"a study may have at most {self.most_files} files")

    def require_unpacked(self, size: int, packed: int) -> None:
        """Raise RequestError where what comes unpacks to more than it may, or than what is no bomb does."""
        if size > self.most_unpacked:
            raise RequestError(413, f"a study may have at most {self.most_unpacked} bytes unpacked")
        if size > SMALL and size > self.most_ratio * packed:
            raise RequestError(413, f"the archive unpacks to more than {self.most_ratio} times its size")


class NewFile:
    """A file that is written block by block, and safely on the disk once it is closed."""

    def __init__(self, path: Path) -> None:
        self.path, self.size, self.begins = path, 0, b""
        self._stream = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def write(self, block: bytes) -> None:
        """Write a block."""
        if len(self.begins) < 2:  # noqa: PLR2004  # as long as what tells gzip
            self.begins = (self.begins + block[:2])[:2]
        self.size += len(block)
        self._stream.write(block)

    def close(self) -> None:
        """Put what was written on the disk."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()

    def abandon(self) -> None:
        """Close the file without a care for what it holds."""
        self._stream.close()
