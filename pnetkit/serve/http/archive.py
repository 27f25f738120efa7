"""Unpack a zip archive of a study that anybody may have made: nothing is believed before it was looked at.

Its directory is bounded before it is read; names are looked at and never used; what unpacks to more than it says, or
than is allowed, is stopped there.
"""

import errno
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from pnetkit.serve.http.bounds import Bounds, NewFile
from pnetkit.serve.http.names import numbered, of_phase, phase_named, settle
from pnetkit.serve.http.refused import RequestError

END, END_BYTES, ZIP64_LOCATOR, LOCATOR_BYTES = b"PK\5\6", 22, b"PK\6\7", 20

MOST_DIRECTORY_BYTES_A_FILE = 512
"""An entry takes 46 bytes and its name; with more of these than files may be, reading them would fill the memory."""

DAMAGE: tuple[type[Exception], ...] = (
    zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError, RuntimeError, ValueError,
    OverflowError, OSError,
)  # fmt: skip
"""What reading a damaged archive raises."""

_STEP = 2**20


def unpack(archive: Path, folder: Path, phases: Sequence[str], bounds: Bounds) -> None:
    """Unpack a study into an empty folder: NIfTI by phase, or whatever else as if it were DICOM.

    Raises:
        RequestError: it is no archive, damaged, encrypted, too large, or holds links or names that lead elsewhere.
    """
    _require_small_directory(archive, bounds)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            for member in opened.infolist():
                _require_harmless(member)
            bounds.require_files(len(members))
            bounds.require_unpacked(sum(member.file_size for member in members), archive.stat().st_size)
            settle([_unpacked(opened, member, n, folder, phases) for n, member in enumerate(members)], phases)
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # which places before a file's beginning give
            raise
        raise RequestError(400, f"the archive is damaged ({type(error).__name__})") from error


def _require_small_directory(archive: Path, bounds: Bounds) -> None:
    """Raise RequestError unless an archive ends as one does, with a directory of no more than it may have."""
    size = archive.stat().st_size
    with archive.open("rb") as stream:
        stream.seek(max(0, size - END_BYTES - LOCATOR_BYTES))
        ending = stream.read()
    end = ending[-END_BYTES:]
    if len(end) < END_BYTES or not end.startswith(END) or end[-2:] != b"\0\0":
        raise RequestError(400, "it does not end as a zip archive does (one with a comment is not taken)")
    if ending[:-END_BYTES].startswith(ZIP64_LOCATOR):
        raise RequestError(413, "it is a zip64 archive; send fewer or smaller files")
    (count, directory) = struct.unpack("<H I", end[10:16])
    bounds.require_files(count)
    if directory > MOST_DIRECTORY_BYTES_A_FILE * (count + 1):
        raise RequestError(400, "its directory is larger than its files can need")


def _require_harmless(member: zipfile.ZipInfo) -> None:
    """Raise RequestError for a member that is no plain file or folder right here."""
    name, mode = member.orig_filename, member.external_attr >> 16
    parts = name.replace("\\", "/").split("/")
    if not name or name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        raise RequestError(400, "it holds a name that leads out of it")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise RequestError(400, "it holds a link or what else is no file")
    if member.flag_bits & 1:
        raise RequestError(400, "it is encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RequestError(400, "it is packed in another way than deflate")


def _require_no_more(size: int, said: int) -> None:
    if size > said:
        raise RequestError(400, "a file in it unpacks to more than it says")


def _unpacked(
    opened: zipfile.ZipFile, member: zipfile.ZipInfo, number: int, folder: Path, phases: Sequence[str]
) -> NewFile:
    """Unpack a member, and no more of it than its header says."""
    phase = phase_named(member.orig_filename, phases)
    path = numbered(folder, number) if phase is None else of_phase(folder, phase)
    if path.exists():
        raise RequestError(422, f"holds {phase} twice")
    file = NewFile(path)
    try:
        with opened.open(member) as stream:
            while block := stream.read(_STEP):
                _require_no_more(file.size + len(block), member.file_size)
                file.write(block)
        file.close()
    except BaseException:
        file.abandon()
        raise
    return file
