"""Unpack archives that tests trust, on every Python that pnetkit takes: the filter came with 3.11.4."""

import tarfile
from pathlib import Path
from typing import Any


def unpack(archive: Path, into: Path) -> None:
    """Unpack a tar archive into a folder."""
    safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(archive) as opened:
        opened.extractall(into, **safely)
