"""Write files complete or not at all, say in words what a disk refuses, and name contents by their digest.

A digest is taken at one moment and the file used at another; `held_still` sees to it that both are of the same content.
"""

import errno
import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pnetkit.errors import ImageError, StoreError

FRESH_NS = 2 * 10**9
"""How long a file may be written again without another time of change: two seconds on the coarsest of disks."""


GONE = {errno.ENOENT, errno.ESTALE}
"""What is said of a file that was deleted, here or by another machine that has the folder too."""


def write_atomically(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write a file so that it is there complete or not at all, whenever the process dies.

    With `mode` nobody has other rights to it than these, at no moment; without, the rights are the user's default.
    """
    with _written_beside(path, data, mode) as temporary:
        try:
            temporary.replace(path)
        except FileNotFoundError:
            # NFS sends a request again where the answer was lost: then it finds done what it is to do
            if not path.is_file() or path.read_bytes() != data:
                raise


def write_first(path: Path, data: bytes, *, mode: int | None = None) -> bool:
    """Write a file complete, unless there is one: of several processes the first writes it, the others get False.

    `mode` as in `write_atomically`.
    """
    with _written_beside(path, data, mode) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            if path.exists():
                return False
            temporary.replace(path)
    return True


NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""What file systems answer that have no second names for a file, as FAT: there the last of two at one moment wins."""


@contextmanager
def _written_beside(path: Path, data: bytes, mode: int | None = None) -> Iterator[Path]:
    """Write a file of another name, safely on the disk, that is gone afterwards unless it was renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{LEFTOVER}")
    try:
        rights = 0o666 if mode is None else mode  # less what the user's umask takes away
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, rights), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        yield temporary
    finally:
        with suppress(OSError):  # what went wrong is said already
            temporary.unlink(missing_ok=True)


LEFTOVER = ".tmp"
"""How a file ends that a killed process was writing."""


def is_leftover_of(name: str, path: Path) -> bool:
    """Tell whether a file is what a killed process has left of writing one of a name."""
    return path.name.startswith(f".{name}.") and path.name.endswith(LEFTOVER)


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people and machines: indented, in the order given, ending in a newline; complete or not at all."""
    write_atomically(path, (json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a file of JSON. Raises OSError and ValueError as they come: who reads knows what the file is."""
    return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def disk_errors_in_words(root: Path) -> Iterator[None]:
    """Turn what a disk refuses into a StoreError that says what to do; `root` stands where the system names no file."""
    try:
        yield
    except OSError as error:
        wanted = {
            errno.ENOSPC: "the disk is full; free space and run the same command again, nothing finished is lost",
            errno.EDQUOT: "the disk quota is used up; free space and run the same command again",
            errno.EROFS: "the file system is read-only; choose another place",
            errno.EACCES: "it may not be written; choose another place, or change its permissions",
            errno.EPERM: "it may not be changed; choose another place, or change its permissions",
            errno.EFBIG: "the file is larger than this system allows; raise the limit, or choose another place",
            errno.ENOTDIR: "it is not a folder; choose another place",
            errno.EISDIR: "it is a folder; choose another name",
            errno.EEXIST: "something of that name is there already; choose another name",
            errno.ENAMETOOLONG: "its name is too long for this system; choose a shorter one",
            errno.EIO: "the disk reports an error; look after it, or choose another place",
        }
        if error.errno not in wanted:
            raise
        raise StoreError(f"{error.filename2 or error.filename or root}: {wanted[error.errno]}.") from error


def sync_folder(folder: Path) -> None:
    """Make sure that what was renamed into a folder stays there when the machine stops."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_digest(path: Path) -> str:
    """Give the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def held_still(paths: Iterable[Path]) -> Iterator[None]:
    """Make sure that files stay as they are while something reads them; one that is not there has to stay away.

    Compares size, time of change and inode before and after, and the content of files that were written a moment ago.

    Raises:
        ImageError: a file was changed meanwhile, so that nobody can say which of its contents was read.
    """
    started = time.time_ns()
    before = {path: _state(path, started) for path in paths}

    try:
        yield
    except Exception:
        _require_unchanged(before, started)  # half a file may have been read, and be what the error speaks of
        raise
    _require_unchanged(before, started)


def require_digest(path: Path, wanted: str) -> None:
    """Hold a file to the digest that was taken when it was checked. Raises ImageError where it is another one now."""
    try:
        found = file_digest(path)
    except OSError as error:
        raise ImageError(
            f"{path}: could be read when it was checked, and cannot any more ({error.strerror or error}). Bring it "
            f"back, and run the same command again."
        ) from error
    if found != wanted:
        raise ImageError(
            f"{path}: has changed since it was checked (SHA-256 {found[:12]}…, wanted {wanted[:12]}…). Run the same "
            f"command again: what depends on the file is then made of what it holds now."
        )


def _require_unchanged(before: Mapping[Path, tuple[int, int, int, str] | None], started_ns: int) -> None:
    changed = [path for path, state in before.items() if _state(path, started_ns) != state]
    if changed:
        raise ImageError(
            f"{changed[0]}: was changed while it was read. Wait until nothing writes it any more, and run the same "
            f"command again."
        )


def _state(path: Path, started_ns: int) -> tuple[int, int, int, str] | None:
    """Give what a change of a file changes; None where it cannot be read."""
    try:
        of = path.stat()
        is_fresh = of.st_mtime_ns > started_ns - FRESH_NS
        return of.st_size, of.st_mtime_ns, of.st_ino, file_digest(path) if is_fresh else ""
    except OSError:
        return None


def digest(value: Any) -> str:
    """Give the SHA-256 of a value's canonical JSON: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
