"""Keep the results of stages under their keys.

A result is a folder that is there complete or not at all: it is made under `partial/` and renamed when done, so that a
kill at any moment loses at most the work since the last checkpoint. Of two processes that want the same result one
makes it; the other waits and finds it done, or passes it over and looks again later.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pnetkit.errors import StoreError
from pnetkit.files import disk_errors_in_words, read_json, sync_folder, write_json
from pnetkit.store.locks import locked, locked_if_free
from pnetkit.store.node import Ref

RECORD = "stage.json"
"""The file in each result that says what it is and how it was made."""

PARTIAL = "partial"
"""The folder in which results are made."""

RUN_RECORD = "run.json"
"""The file that makes a folder a run's, and names the results that it needs; it is written last."""


class MadeElsewhereError(Exception):
    """Tell that another process is making a result at this moment."""


class Store:
    """A folder of results, each under its stage and key."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, stage: str, key: str) -> Path:
        """Give the folder of a result, whether it exists or not."""
        return self.root / stage / key[:32]

    def of(self, ref: Ref) -> Path:
        """Give the folder of a result that another one builds on."""
        return self.folder(ref.stage, ref.key)

    def has(self, stage: str, key: str) -> bool:
        """Tell whether a result is there."""
        return (self.folder(stage, key) / RECORD).is_file()

    def record(self, stage: str, key: str) -> dict[str, Any]:
        """Read what a result says of itself. Raises StoreError when it is damaged."""
        path = self.folder(stage, key) / RECORD
        try:
            loaded: dict[str, Any] = read_json(path)
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: cannot be read ({error}). Delete {path.parent} to make it again.") from error
        return loaded

    def progress(self, stage: str, key: str) -> dict[str, Any]:
        """Read how far a result under way is, as its task last said; empty when it said nothing yet."""
        path = self.partial(stage, key) / "progress.json"
        try:
            loaded: dict[str, Any] = read_json(path)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return {}  # not begun, or done this moment
        return loaded

    def partials(self) -> list[Path]:
        """Give the folders of what is being made, and of what was begun and not ended."""
        folder = self.root / PARTIAL
        return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def partial(self, stage: str, key: str) -> Path:
        """Give the folder in which a result is being made."""
        return self.root / PARTIAL / f"{stage}-{key[:32]}"

    def produce(
        self,
        stage: str,
        key: str,
        make: Callable[[Path], Mapping[str, Any]],
        *,
        keeps_partial: bool = False,
        wait: bool = True,
        is_synced: bool = True,
    ) -> bool:
        """Make a result unless it is there; tell whether it had to be made.

        `make` writes into the folder it is given and returns the record's contents. With `keeps_partial` it finds what
        an earlier, interrupted call left there; otherwise it starts in an empty folder. Without `is_synced` the result
        is complete or not there at every moment, and may be gone after the machine stopped, until `sync` was called.

        Raises:
            MadeElsewhereError: another process is making it, and this one is not to `wait`.
            StoreError: the folder cannot be written: full, read-only, or not a folder.
        """
        with disk_errors_in_words(self.root), self._locked(f"{stage}-{key[:32]}", wait):
            if self.has(stage, key):
                return False
            work, final = self.partial(stage, key), self.folder(stage, key)
            if work.exists() and not keeps_partial:
                shutil.rmtree(work)
            if final.exists():  # a result without its record: damaged by hand
                shutil.rmtree(final)
            work.mkdir(parents=True, exist_ok=True)
            record = make(work)
            (work / "progress.json").unlink(missing_ok=True)
            write_json(work / RECORD, record)
            final.parent.mkdir(parents=True, exist_ok=True)
            work.rename(final)
            if is_synced:
                sync_folder(final.parent)
        return True

    def sync(self, stages: Iterable[str]) -> None:
        """Make sure that results of stages stay when the machine stops: once for all that `is_synced` left open.

        Raises StoreError where the disk does not take it.
        """
        with disk_errors_in_words(self.root):
            for stage in sorted(set(stages)):
                sync_folder(self.root / stage)

    @contextmanager
    def _locked(self, name: str, wait: bool) -> Iterator[None]:
        """Hold a lock, waiting for it or not."""
        if wait:
            with locked(self.root, name):
                yield
            return
        with locked_if_free(self.root, name) as is_ours:
            if not is_ours:
                raise MadeElsewhereError
            yield
