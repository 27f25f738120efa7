"""Read CT scans from MetaImage (.mha), and write maps onto the grid that they came from.

A header of text lines, then the voxels, often packed by zlib. Coordinates are LPS mm, as ITK has them; in memory they
are RAS+ as everywhere. Voxels in another file are refused: the header would name a path.
"""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.errors import ImageError
from pnetkit.files import write_atomically
from pnetkit.imaging.hounsfield import as_scan
from pnetkit.imaging.memory_order import x_fastest
from pnetkit.imaging.nifti_file import MORE_THAN_SAID, MOST_VOXELS
from pnetkit.imaging.orientation import Orientation, canonical_grid, from_ras, to_ras
from pnetkit.types import Grid, Scan, Triple

MOST_HEADER_LINES, LONGEST_LINE = 200, 4096
"""More than these no program writes."""

ELEMENTS = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}  # fmt: skip
"""Types of voxels by the names that MetaImage gives them."""

_WRITTEN = {"|u1": "MET_UCHAR", "<u2": "MET_USHORT", "<i2": "MET_SHORT", "<f4": "MET_FLOAT"}

_SAME = {"Origin": "Offset", "Position": "Offset", "Orientation": "TransformMatrix", "Rotation": "TransformMatrix",
         "ElementByteOrderMSB": "BinaryDataByteOrderMSB", "ElementSize": "ElementSpacing"}  # fmt: skip
"""Names that stand for others; a name of its own is believed first."""

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Turns LPS into RAS+ and back."""


@dataclass(frozen=True, slots=True, eq=False)
class _Header:
    """Hold what a header says: `affine` (4, 4) maps stored indices to RAS+ mm; `begin` is where the voxels begin."""

    shape: Triple
    affine: NDArray[np.float64]
    dtype: np.dtype[Any]
    packed: bool
    begin: int

    @property
    def bytes(self) -> int:
        """Give the bytes of the voxels, unpacked."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_metaimage(path: Path) -> Scan:
    """Read a CT.

    Raises:
        ImageError: the file is missing, cut short, no MetaImage of three axes with its voxels in it, or holds what no
            CT in Hounsfield units does.
    """
    try:
        with path.open("rb") as stream:
            header = _header(path, stream)
            voxels = _voxels(path, header, stream)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error}). Check the path.") from error
    grid, orientation = _grid(path, header)
    with np.errstate(over="ignore"):  # what single precision does not hold is infinite, and refused
        return as_scan(to_ras(voxels, orientation), grid, path)


def write_metaimage(path: Path, volume: NDArray[Any], *, like: Path) -> None:
    """Write a map (RAS+ order, as `read_metaimage(like)` gives; uint8, uint16, int16 or float32) on the grid of `like`.

    The same map gives the same bytes. The file appears complete or not at all. Raises ImageError as `read_metaimage`.
    """
    with like.open("rb") as stream:
        header = _header(like, stream)
    grid, orientation = _grid(like, header)
    if volume.shape != grid.shape:
        raise ValueError(f"the map has shape {volume.shape}, {like} has {grid.shape} in RAS+ order")
    stored = x_fastest(from_ras(volume, orientation))
    stored = stored.astype(stored.dtype.newbyteorder("<"), copy=False)
    packed = zlib.compress(stored.tobytes(order="F"), 1)
    affine = LPS @ header.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    lines = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "True",
        "CompressedDataSize": str(len(packed)),
        "TransformMatrix": _numbers((affine[:3, :3] / spacing).T.ravel()),  # the direction of each axis in turn
        "Offset": _numbers(affine[:3, 3]),
        "CenterOfRotation": "0 0 0",
        "ElementSpacing": _numbers(spacing),
        "DimSize": " ".join(map(str, stored.shape)),
        "ElementType": _WRITTEN[stored.dtype.str],
        "ElementDataFile": "LOCAL",
    }
    text = "".join(f"{name} = {value}\n" for name, value in lines.items())
    write_atomically(path, text.encode("ascii") + packed)


def _header(path: Path, stream: BufferedIOBase) -> _Header:
    said: dict[str, str] = {}
    for _ in range(MOST_HEADER_LINES):
        line = stream.readline(LONGEST_LINE)
        try:
            name, equals, value = line.decode("ascii").partition("=")
        except UnicodeDecodeError:
            equals = ""
        if not equals or not line.endswith(b"\n"):
            raise _wrong(path, "its header is not lines of NAME = VALUE up to ElementDataFile")
        said[name.strip()] = value.strip()
        if name.strip() == "ElementDataFile":
            break
    else:
        raise _wrong(path, f"its header has more than {MOST_HEADER_LINES} lines")
    return _parsed(path, {_SAME[name]: text for name, text in said.items() if name in _SAME} | said, stream.tell())


def _parsed(path: Path, said: Mapping[str, str], begin: int) -> _Header:
    wanted = {"ObjectType": "image", "NDims": "3", "ElementDataFile": "local", "ElementNumberOfChannels": "1"}
    for name, value in wanted.items():
        got = said.get(name, value if name in ("ObjectType", "ElementNumberOfChannels") else "nothing")
        if got.lower() != value:
            raise _wrong(path, f"its {name} is {got[:60]!r}, wanted {value}")
    if said.get("BinaryData", "True").lower() != "true":
        raise _wrong(path, "its voxels are written as text")
    if said.get("HeaderSize", "0") != "0":
        raise _wrong(path, "it has a HeaderSize, which says that its voxels begin elsewhere")
    kind = said.get("ElementType", "nothing")
    if kind not in ELEMENTS:
        raise _wrong(path, f"its ElementType is {kind[:60]!r}, wanted one of {', '.join(ELEMENTS)}")
    order = ">" if said.get("BinaryDataByteOrderMSB", "False").lower() == "true" else "<"
    shape = tuple(int(n) for n in _floats(path, said, "DimSize", 3))
    if min(shape) < 1 or math.prod(shape) > MOST_VOXELS:
        raise _wrong(path, f"its DimSize is {shape}, wanted three axes of at most {MOST_VOXELS} voxels together")
    spacing = _floats(path, said, "ElementSpacing", 3)
    directions = _floats(path, said, "TransformMatrix", 9) if "TransformMatrix" in said else np.eye(3).ravel()
    offset = _floats(path, said, "Offset", 3) if "Offset" in said else np.zeros(3)
    affine = np.eye(4)
    affine[:3, :3] = directions.reshape(3, 3).T * spacing
    affine[:3, 3] = offset
    packed = said.get("CompressedData", "False").lower() == "true"
    three = (shape[0], shape[1], shape[2])
    return _Header(three, LPS @ affine, np.dtype(order + ELEMENTS[kind]), packed, begin)


def _voxels(path: Path, header: _Header, stream: BufferedIOBase) -> NDArray[Any]:
    """Give the voxels in stored order: no more is unpacked than the header tells of."""
    try:
        if header.packed:
            data, left = _unpacked(stream, header.bytes), b""
        else:
            data, left = stream.read(header.bytes), stream.read(MORE_THAN_SAID + 1)
    except zlib.error as error:
        raise _wrong(path, f"its voxels cannot be unpacked ({error}); is the file damaged?") from error
    if len(data) < header.bytes:
        raise _wrong(path, f"its header tells of {header.bytes} bytes, and it holds {len(data)}; is it cut short?")
    if len(data) > header.bytes or len(left) > MORE_THAN_SAID:
        raise _wrong(path, f"its header tells of {header.bytes} bytes, and it holds more")
    return np.frombuffer(data, header.dtype).reshape(header.shape, order="F")


def _unpacked(stream: BufferedIOBase, most: int) -> bytes:
    """Unpack a stream of zlib to its end, or to one byte more than `most`; what is cut short gives less."""
    unpacking, parts, room = zlib.decompressobj(), [], most + 1
    while room and not unpacking.eof:
        fed = unpacking.unconsumed_tail or stream.read(2**20)
        part = unpacking.decompress(fed, min(room, 2**24))
        if not fed and not part:
            return b""  # the sum of what is packed stands at its end
        parts.append(part)
        room -= len(part)
    return b"".join(parts)


def _grid(path: Path, header: _Header) -> tuple[Grid, Orientation]:
    try:
        return canonical_grid(header.shape, header.affine)
    except ValueError as error:
        raise ImageError(f"{path}: {error}.") from error


def _floats(path: Path, said: Mapping[str, str], name: str, count: int) -> NDArray[np.float64]:
    try:
        numbers = np.array([float(text) for text in said.get(name, "").split()])
    except ValueError:
        numbers = np.empty(0)
    if numbers.size != count or not np.isfinite(numbers).all():
        raise _wrong(path, f"its {name} is {said.get(name, 'nothing')[:60]!r}, wanted {count} numbers")
    return numbers


def _numbers(values: NDArray[np.float64]) -> str:
    return " ".join(repr(float(value) + 0.0) for value in values)


def _wrong(path: Path, what: str) -> ImageError:
    return ImageError(f"{path}: cannot be read as a MetaImage: {what}. Export it again.")
