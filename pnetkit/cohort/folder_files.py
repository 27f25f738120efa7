"""The files of a folder that a person put there: not what systems leave beside them, and through links to folders."""

import os
from pathlib import Path

ENDINGS = (".nii.gz", ".nii.bz2", ".nii")
"""How NIfTI files end, in any capitals."""

LEFT_BY_SYSTEMS = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir", "lost+found"})


def files_below(folder: Path) -> list[Path]:
    """Give the files below a folder, sorted; nothing hidden, nothing that systems leave, and each folder once.

    macOS writes `._NAME` beside every NAME on a disk that is not its own, and file servers write the like.
    """
    found: list[Path] = []
    seen: set[str] = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if _meant(name))
        found += [path for name in names if _meant(name) and (path := Path(here, name)).is_file()]
    return sorted(found)


def without_ending(name: str, endings: tuple[str, ...] = ENDINGS) -> str | None:
    """Give a file's name without its ending, whatever the capitals; None where it has another one."""
    of = next((ending for ending in endings if name.lower().endswith(ending.lower())), None)
    return None if of is None else name[: -len(of)]


def _meant(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in LEFT_BY_SYSTEMS
