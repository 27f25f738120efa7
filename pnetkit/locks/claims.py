"""Claims: what one of many processes holds, on machines that share nothing but a folder.

A claim is a folder with one file in it, which is called by a random token and says who holds it.

- It is taken by renaming such a folder to its place: a file system does that for one alone, onto nothing or an empty
  folder, and at once with the file in it, so that no kill leaves a claim that is half there.
- It is held by a thread that writes a number into the file every few seconds.
- It is given up by deleting the file, then the folder if it is empty.
- It is taken over by who has seen the same number for long, by that process's own clock; no two machines' times are
  compared, and the time in which the observer did not look does not count. A process of this machine that is gone
  need not be waited for. To take over is to delete the file: its name is the token, which nobody has a second time, so
  that of many that try, one does, and nobody's later claim can be met. Then it is taken as any free one.

A holder that was stopped for so long finds its file gone. What it does to what the claim stands for has to be harmless
then; `store.py` says how it is there.
"""

import errno
import itertools
import json
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pnetkit.files import GONE

BEAT_S, STALE_S = 5.0, 60.0
"""Seconds between two signs of life, and without one until a claim is taken over."""

STAGED = ".staged"
"""How a folder ends that is about to be a claim; one that was left behind is of no effect."""

TAKEN = {errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY, *GONE}
"""What is said where another one was faster, or has tidied up meanwhile."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Say how often holders show that they live, and after how long without that they count as gone, in seconds."""

    beat_s: float = BEAT_S
    stale_s: float = STALE_S


@dataclass(frozen=True, slots=True)
class Claim:
    """What this process holds, under a token that nobody else ever has."""

    place: Path
    token: str
    pace: Pace
    _count: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    def is_ours(self) -> bool:
        """Show that the holder lives, and tell whether it still holds the claim, by what the file system says now.

        Raises OSError where that cannot be found out.
        """
        try:
            descriptor = os.open(self.place / self.token, os.O_WRONLY)
            try:
                os.pwrite(descriptor, _number(next(self._count)), 0)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno in GONE:
                return False
            raise
        return True

    def release(self) -> None:
        """Give the claim up; one that another process has taken over stays that one's."""
        _HEART.forget(self)
        _delete(self.place / self.token)
        with suppress(OSError):  # the next one holds it already
            self.place.rmdir()


def take(place: Path, pace: Pace) -> Claim | None:
    """Take a claim if nobody has it, or nobody that lives; None where somebody does.

    Raises OSError where the folder cannot be written.
    """
    if not _is_free(place, pace):
        return None
    token = secrets.token_hex(8)
    claim, staged = Claim(place, token, pace), place.with_name(f".{token}{STAGED}")
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        staged.mkdir()
        (staged / token).write_bytes(_number(0) + json.dumps(_myself()).encode())
        staged.rename(place)
    except OSError as error:
        if not claim.is_ours():  # a request that is sent twice can be done, and be answered with an error
            shutil.rmtree(staged, ignore_errors=True)
            if error.errno in TAKEN or (place.is_dir() and error.errno in {errno.EACCES, errno.EPERM}):
                return None
            raise
    with _LOOKING:
        _SEEN.pop(place, None)
    _HEART.add(claim)
    return claim


def delete_leftovers(folder: Path) -> int:
    """Delete what lies in a folder of claims and is none: empty ones, and what was to be one; give how many."""
    deleted = 0
    for path in folder.glob("*.claim"):
        with suppress(OSError):  # somebody holds it
            path.rmdir()
            deleted += 1
    for path in folder.glob(f".*{STAGED}"):
        shutil.rmtree(path, ignore_errors=True)  # who was about to take a claim by it tries again
        deleted += 1
    return deleted


def _number(count: int) -> bytes:
    return b"%020d\n" % count


def _is_free(place: Path, pace: Pace) -> bool:
    """Tell whether nobody holds a claim; delete one whose holder is gone."""
    try:
        names = [path.name for path in place.iterdir()]
    except FileNotFoundError:
        return True
    if not names:
        with suppress(OSError):  # not every file system renames onto an empty folder
            place.rmdir()
    for name in names:
        if name.startswith("."):  # what an NFS client keeps of a deleted file that it has open
            return False
        try:
            said = (place / name).read_bytes()
        except OSError as error:
            if error.errno in GONE:
                continue
            raise
        if not _is_gone(place, name, said, pace):
            return False
        _delete(place / name)
    return True


def _is_gone(place: Path, token: str, said: bytes, pace: Pace) -> bool:
    """Tell whether a holder is gone: known to be, or without a sign of life for too long."""
    now = time.monotonic()
    with _LOOKING:
        seen = _SEEN.get(place)
        if seen is None or (seen.token, seen.said) != (token, said):
            _SEEN[place] = _Seen(token, said, 0.0, now)
            without = 0.0
        else:
            without = seen.without_s + min(now - seen.at, pace.beat_s)  # it may be us who was stopped
            _SEEN[place] = _Seen(token, said, without, now)
    return without >= pace.stale_s or _is_dead(said)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of a claim, for how long without a change, and when last."""

    token: str
    said: bytes
    without_s: float
    at: float


_SEEN: dict[Path, _Seen] = {}
_LOOKING = threading.Lock()


def _delete(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        if error.errno not in GONE:
            raise


def _is_dead(said: bytes) -> bool:
    """Tell whether a claim is one of this machine, and its process is known to have ended."""
    try:
        owner: dict[str, Any] = json.loads(said.partition(b"\n")[2])
        pid, started = int(owner["pid"]), owner["started"]
    except (ValueError, KeyError, TypeError):
        return False  # the machine stopped while it was written
    if not all(_here().values()) or any(owner.get(name) != value for name, value in _here().items()):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # another user's
    state = _state(pid)
    return state is not None and (state[0] in "ZX" or state[1] != started)


@cache
def _here() -> dict[str, str]:
    """Name this machine since it was started, and the processes that are seen in it; empty where it does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        boot, space = "", ""
    return {"host": socket.gethostname(), "boot": boot, "processes": space}


def _myself() -> dict[str, Any]:
    state = _state(os.getpid())
    return {**_here(), "pid": os.getpid(), "started": None if state is None else state[1]}


def _state(pid: int) -> tuple[str, str] | None:
    """Give a process's state and when it began, in the system's own words; None where it does not tell."""
    try:
        after = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return after[0], after[19]


class _Heart:
    """Shows for all claims of this process that it lives, in a thread that is there while there are some."""

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._changed = threading.Condition()
        self._sleep_s = 0.0
        self._thread: threading.Thread | None = None

    def add(self, claim: Claim) -> None:
        with self._changed:
            self._claims[claim.token] = claim
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, daemon=True, name="claims")
                self._thread.start()
            elif claim.pace.beat_s < self._sleep_s:
                self._changed.notify()

    def forget(self, claim: Claim) -> None:
        with self._changed:
            self._claims.pop(claim.token, None)

    def _beat(self) -> None:
        while True:
            with self._changed:
                if not self._claims:
                    self._thread = None
                    return
                self._sleep_s = min(claim.pace.beat_s for claim in self._claims.values())
                self._changed.wait(self._sleep_s)
                claims = list(self._claims.values())
            for claim in claims:
                try:
                    if not claim.is_ours():
                        self.forget(claim)
                except OSError:
                    continue  # the disk may come back; if not, others take over, and whoever publishes looks


_HEART = _Heart()
os.register_at_fork(after_in_child=_HEART.__init__)  # type: ignore[misc]  # a child holds nothing of its parent's
