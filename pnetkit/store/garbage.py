"""Find results in a store that no run needs any more."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from pnetkit.errors import StoreError
from pnetkit.files import disk_errors_in_words
from pnetkit.store.holders import holders
from pnetkit.store.store import RUN_RECORD, Store


@dataclass(frozen=True, slots=True)
class Unused:
    """Hold a result's folder that no run names, and its size in bytes."""

    folder: Path
    size: int


def unused_results(store: Store, runs: Iterable[Path], stages: Iterable[str]) -> list[Unused]:
    """Give the results of these stages that no run needs. Unfinished work is never there.

    Needed is what the runs in these folders name, and what any run noted in the store that is still there, finished or
    not, wherever its folder is.

    Raises:
        StoreError: a run's record cannot be read, so that it is not known what it needs.
    """
    needed: set[tuple[str, str]] = set()
    for folder in runs:
        path = folder / RUN_RECORD
        try:
            named = json.loads(path.read_text(encoding="utf-8"))["stages"]
            needed |= {(of["stage"], store.folder(of["stage"], of["key"]).name) for of in named}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{path}: cannot be read ({error}), so nothing is deleted. Mend or remove it.") from error
    held = {folder for holder in holders(store) if holder.is_there for folder in holder.results}
    found = []
    for stage in stages:
        folder = store.root / stage
        results = sorted(folder.iterdir()) if folder.is_dir() else []
        found += [
            Unused(result, _size(result))
            for result in results
            if (stage, result.name) not in needed and result not in held
        ]
    return found


def delete(store: Store, unused: Iterable[Unused]) -> tuple[int, int]:
    """Delete results, and give how many were deleted, and how many left because someone is at work on them.

    Raises StoreError for a folder that may not be changed.
    """
    deleted = busy = 0
    for item in unused:
        lock = FileLock(store.root / "locks" / f"{item.folder.parent.name}-{item.folder.name}.lock")
        try:
            with disk_errors_in_words(item.folder), lock.acquire(timeout=0):
                shutil.rmtree(item.folder)
                deleted += 1
        except Timeout:
            busy += 1
    return deleted, busy


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
