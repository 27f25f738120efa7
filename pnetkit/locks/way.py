"""How those that share a folder exclude each other: all of them in one way, which is noted in the folder.

A store can lie on a disk of the machine that serves it and on a network for all others, so that each would choose for
itself what does not exclude the other. The first one chooses, by the file system or as it is told.
"""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pnetkit.errors import StoreError
from pnetkit.files import read_json, write_first
from pnetkit.locks.claims import Pace
from pnetkit.locks.file_system import file_system_of, is_shared

NOTE = "locks.json"
"""The file that says how."""

Kind = Literal["flock", "claims"]

Asked = Literal["auto", "flock", "claims"]


@dataclass(frozen=True, slots=True)
class Way:
    """Say whether the system's own locks are used, or claims, and at what pace; and whether somebody asked for it."""

    kind: Kind
    pace: Pace = field(default_factory=Pace)
    is_asked_for: bool = False


def way_of(folder: Path) -> Way:
    """Give the way that is noted in a folder, else the one that suits its file system.

    Raises StoreError where the note cannot be read.
    """
    return _noted(folder) or Way(_suiting(folder))


def agree(folder: Path, asked: Asked = "auto") -> Way:
    """Note in a folder how those that share it exclude each other, unless that is noted, and give it.

    Raises:
        StoreError: another way is noted than the one asked for, or than the one that this machine needs.
    """
    suiting = _suiting(folder)
    way = Way(suiting if asked == "auto" else asked, is_asked_for=asked != "auto")
    noted = _noted(folder)
    if noted is None:
        folder.mkdir(parents=True, exist_ok=True)
        told = {"locks": way.kind, "asked": way.is_asked_for, "beat_s": way.pace.beat_s, "stale_s": way.pace.stale_s}
        write_first(folder / NOTE, (json.dumps(told) + "\n").encode())
        noted = way_of(folder)
    mend = f"When no process uses the folder any more, delete {folder / NOTE} and run again"
    if asked not in {"auto", noted.kind}:
        raise StoreError(
            f"{folder}: is shared with locks of the kind {noted.kind}, and {asked} was asked for; the two do not "
            f"exclude each other. Leave --store-locks out. {mend}."
        )
    if asked == "auto" and noted.kind == "flock" and suiting == "claims" and not noted.is_asked_for:
        raise StoreError(
            f"{folder}: lies on {file_system_of(folder)} here, where flock may exclude nobody on other machines; it "
            f"was first used where it lies on a disk, with flock. {mend} with --store-locks claims. Where flock holds "
            f"between your machines, say --store-locks flock."
        )
    return noted


def _suiting(folder: Path) -> Kind:
    return "claims" if is_shared(file_system_of(folder)) else "flock"


def _noted(folder: Path) -> Way | None:
    path = folder / NOTE
    try:
        state = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _read_once(path, state.st_mtime_ns, state.st_ino, state.st_size)


@lru_cache(maxsize=8)
def _read_once(path: Path, *_state: int) -> Way | None:
    """Read a note, once for each state of its file: every lock of a store asks."""
    kinds: dict[str, Kind] = {"flock": "flock", "claims": "claims"}
    try:
        said = read_json(path)
        return Way(kinds[said["locks"]], Pace(float(said["beat_s"]), float(said["stale_s"])), bool(said["asked"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path}: cannot be read ({error}). When no process uses the folder any more, delete the file."
        ) from error
