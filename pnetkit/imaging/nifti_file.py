"""Read a NIfTI file: its header alone, or with its voxels, taking no more memory than header and file agree on."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from pnetkit.errors import ImageError
from pnetkit.imaging.gz import DAMAGE, MOST_UNPACKED, opened, packing, read_into, skip
from pnetkit.imaging.nifti_header import HEADER_BYTES, Header, parse_header, reason

MOST_VOXELS = 2**31
"""No CT of a body has more, as 1024 x 1024 x 2048; what is constant can be packed a thousandfold and mean anything."""

MORE_THAN_SAID = 2**20
"""Bytes that may follow the last voxel: some programs pad. With more, header and file are of two scans."""

UNPACKING: tuple[type[Exception], ...] = (*DAMAGE, OSError)
"""What reading a packed file raises, bzip2 included."""

UNREADABLE: tuple[type[Exception], ...] = (OSError, ArithmeticError, ValueError, TypeError, MemoryError)
"""What making an array raises on voxels that are not what their header says, or do not fit into memory."""


def read_header(path: Path) -> Header:
    """Read a header and nothing after it. Raises ImageError as `parse_header` does, and where there is no such file."""
    how = _packing(path)
    try:
        with opened(path, how) as stream:
            beginning = stream.read(HEADER_BYTES)
    except UNPACKING as error:
        raise _damaged(path, error) from error
    return parse_header(path, beginning)


def read_voxels(path: Path, header: Header) -> NDArray[Any]:
    """Read the voxels that a header tells of, scaled as it says; stored order, and a packed file is read to its end.

    A file that is not packed is mapped into memory, not read.

    Raises:
        ImageError: the file is shorter than its header says or could be, or much longer; it is damaged; its voxels are
            more than any CT has, or do not fit into memory.
    """
    how = _packing(path)
    size = path.stat().st_size
    if how in MOST_UNPACKED and size * MOST_UNPACKED[how] < header.end:
        holds = f"has {size} bytes" if not how else f"has {size} bytes, which cannot unpack to as many"
        raise _too_short(path, header, holds)
    if math.prod(header.shape) > MOST_VOXELS:
        raise ImageError(
            f"{path}: has {math.prod(header.shape)} voxels, shape {header.shape}; wanted a CT of at most {MOST_VOXELS}."
        )
    try:
        if how:
            return _scaled(header, _unpacked(path, how, header))
        if size > header.end + MORE_THAN_SAID:
            raise _too_long(path, header, f"has {size}")
        mapped = np.memmap(path, header.dtype, mode="c", offset=header.begin, shape=header.shape, order="F")
        return _scaled(header, mapped)
    except DAMAGE as error:
        raise _damaged(path, error) from error
    except UNREADABLE as error:
        if how == "bzip2" and isinstance(error, OSError):
            raise _damaged(path, error) from error
        raise ImageError(f"{path}: its voxels cannot be read ({reason(error)}). Is the file truncated?") from error


def _packing(path: Path) -> str:
    try:
        if not path.is_file():
            raise ImageError(
                f"{path}: there is no such file. Check the path; paths in a cohort are relative to its CSV."
            )
        how = packing(path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read as an image ({reason(error)}). Export it again.") from error
    if how not in ("", "gzip", "bzip2"):
        raise ImageError(
            f"{path}: cannot be unpacked (it is packed as {how}). Wanted .nii or .nii.gz: unpack it first."
        )
    if not how and path.suffix.lower() == ".gz":
        raise ImageError(
            f"{path}: cannot be unpacked (it does not begin as gzip does). Is the file truncated or damaged?"
        )
    return how


def _unpacked(path: Path, how: str, header: Header) -> NDArray[Any]:
    data = np.empty(header.end - header.begin, dtype=np.uint8)
    with opened(path, how) as stream:
        got = skip(stream, header.begin)
        got += read_into(stream, data.data)
        if got < header.end:
            raise _too_short(path, header, f"unpacks to {got}")
        if skip(stream, MORE_THAN_SAID + 1) > MORE_THAN_SAID:
            raise _too_long(path, header, f"unpacks to more than {header.end + MORE_THAN_SAID}")
    return np.ndarray(header.shape, header.dtype, buffer=data, order="F")


def _scaled(header: Header, stored: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is infinite, and a scan is finite
        scaled: NDArray[Any] = apply_read_scaling(stored, np.float64(header.scale), np.float64(header.offset))
    return scaled


def _too_short(path: Path, header: Header, holds: str) -> ImageError:
    return ImageError(
        f"{path}: its voxels cannot be read (its header tells of {header.end} bytes, shape {header.shape}, and it "
        f"{holds}). Is the file truncated?"
    )


def _too_long(path: Path, header: Header, holds: str) -> ImageError:
    return ImageError(
        f"{path}: its voxels cannot be read (its header tells of {header.end} bytes, shape {header.shape}, and it "
        f"{holds}). Export it again."
    )


def _damaged(path: Path, error: Exception) -> ImageError:
    return ImageError(f"{path}: cannot be unpacked ({reason(error)}). Is the file truncated or damaged?")
