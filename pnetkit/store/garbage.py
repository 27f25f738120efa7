"""Find results in a store that no run needs any more, and work that was begun and that no run will end."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pnetkit.errors import StoreError
from pnetkit.files import disk_errors_in_words
from pnetkit.store.holders import holders
from pnetkit.store.locks import delete_free_locks, locked_if_free
from pnetkit.store.store import RUN_RECORD, Store


@dataclass(frozen=True, slots=True)
class Unused:
    """Hold a folder that no run needs, of a result or of unfinished work, its size in bytes, and its lock's name."""

    folder: Path
    size: int
    lock: str


def unused_results(store: Store, runs: Iterable[Path], stages: Iterable[str]) -> list[Unused]:
    """Give the results of these stages that no run needs, and unfinished work of which no run needs the result.

    Needed is what the runs in these folders name, and what any run noted in the store that is still there, finished or
    not, wherever its folder is.

    Raises:
        StoreError: a run's record cannot be read, so that it is not known what it needs.
    """
    needed: set[str] = set()  # as STAGE/NAME: there may be hundreds of thousands
    for folder in runs:
        path = folder / RUN_RECORD
        try:
            named = json.loads(path.read_text(encoding="utf-8"))["stages"]
            needed |= {f"{of['stage']}/{of['key'][:32]}" for of in named}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{path}: cannot be read ({error}), so nothing is deleted. Mend or remove it.") from error
    needed |= {of for holder in holders(store) if holder.is_there for of in holder.results}
    found = []
    for stage in stages:
        folder = store.root / stage
        results = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        found += [
            Unused(folder / name, _size(folder / name), f"{stage}-{name}")
            for name in results
            if f"{stage}/{name}" not in needed
        ]
    named = {of.replace("/", "-", 1) for of in needed}
    for work in store.partials():
        name = work.name.partition(".")[0]  # what comes after is its maker's token; empty: taken from one that was gone
        if name not in named:
            found.append(Unused(work, _size(work), name or work.name))
    return found


def delete(store: Store, unused: Iterable[Unused]) -> tuple[int, int]:
    """Delete what is unused, and give how much was deleted, and how much left because someone is at work on it.

    Locks that nobody holds go too; they are made again by whoever wants them.

    Raises StoreError for a folder that may not be changed.
    """
    deleted = busy = 0
    for item in unused:
        with disk_errors_in_words(item.folder), locked_if_free(store.root, item.lock) as is_ours:
            if not is_ours:
                busy += 1
            elif item.folder.exists():  # unless somebody ended it a moment ago
                shutil.rmtree(item.folder)
                deleted += 1
    delete_free_locks(store.root)
    return deleted, busy


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
