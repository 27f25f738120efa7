"""Two machines that share a folder, for tests: two mounts of it, between which flock excludes nobody.

What a lock of the system holds off is known to a mount alone, as with NFS that is mounted `nolock`.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def two_hosts(folder: Path, count: int = 2) -> Iterator[list[Path]]:
    """Mount a folder several times; skip the test where FUSE or bindfs is not at hand."""
    unmount = shutil.which("fusermount3") or shutil.which("fusermount")
    if shutil.which("bindfs") is None or unmount is None or not Path("/dev/fuse").exists():
        pytest.skip("needs bindfs and FUSE, to stand in for machines that share a folder")
    disk, mounted = folder / "disk", []
    disk.mkdir()
    try:
        for number in range(count):
            place = folder / f"host{number}"
            place.mkdir()
            done = subprocess.run(["bindfs", str(disk), str(place)], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"FUSE cannot be used here: {done.stderr.strip()}")
            mounted.append(place)
        yield mounted
    finally:
        for place in mounted:
            subprocess.run([unmount, "-u", "-z", str(place)], check=False)
