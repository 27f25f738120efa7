"""Keep the results of stages under their keys.

A result is a folder that is there complete or not at all: it is made under `partial/` and renamed when done, so that a
kill at any moment loses at most the work since the last checkpoint. Of two processes that want the same result one
makes it; the other waits and finds it done, or passes it over and looks again later.

Where processes of several machines exclude each other by claims, one that was stopped for a minute can be taken for
gone while it lives. So the folder in which a result is made is called by its maker's token, and who takes the work over
takes the folder by renaming it: what the other one still writes goes nowhere, its renaming to the result's place fails,
and of the two exactly one is published, whatever the order. Makers of one result never write the same file.
"""

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pnetkit.errors import StoreError
from pnetkit.files import GONE, disk_errors_in_words, read_json, sync_folder, write_json
from pnetkit.locks.holding import POLL_S, Hold
from pnetkit.locks.way import way_of
from pnetkit.store.locks import locked_if_free
from pnetkit.store.node import Ref

RECORD = "stage.json"
"""The file in each result that says what it is and how it was made."""

PARTIAL = "partial"
"""The folder in which results are made."""

PATIENCE_S = 70.0
"""How long a result that another machine has made may take to be seen here: NFS remembers for a minute what is not."""

RUN_RECORD = "run.json"
"""The file that makes a folder a run's, and names the results that it needs; it is written last."""


class MadeElsewhereError(Exception):
    """Tell that another process is making a result at this moment."""


class Store:
    """A folder of results, each under its stage and key."""

    def __init__(self, root: Path) -> None:
        self.root, self._place = root, str(root)

    def folder(self, stage: str, key: str) -> Path:
        """Give the folder of a result, whether it exists or not."""
        return self.root / stage / key[:32]

    def of(self, ref: Ref) -> Path:
        """Give the folder of a result that another one builds on."""
        return self.folder(ref.stage, ref.key)

    def has(self, stage: str, key: str) -> bool:
        """Tell whether a result is there."""
        return Path(f"{self._place}/{stage}/{key[:32]}/{RECORD}").is_file()  # tens of thousands are asked for

    def json(self, ref: Ref, name: str) -> Any:
        """Read a JSON file of a result. Raises OSError and ValueError as reading it does."""
        return read_json(self.of(ref) / name)

    def record(self, stage: str, key: str) -> dict[str, Any]:
        """Read what a result says of itself. Raises StoreError when it is damaged."""
        path = self.folder(stage, key) / RECORD
        try:
            loaded: dict[str, Any] = read_json(path)
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: cannot be read ({error}). Delete {path.parent} to make it again.") from error
        return loaded

    def await_results(self, refs: Iterable[Ref]) -> None:
        """Wait until results are seen that another machine is known to have made, where machines share the store.

        Raises StoreError where one is still not there after a minute.
        """
        if way_of(self.root).kind != "claims":
            return
        until = time.monotonic() + PATIENCE_S
        for ref in refs:
            while not self._has_now(ref.stage, ref.key):
                if time.monotonic() > until:
                    raise StoreError(
                        f"{self.of(ref)}: is not there, though it was made. See that all machines have the same folder "
                        f"at the same path, and that nobody deletes in it."
                    )
                time.sleep(POLL_S)

    def progress(self, stage: str, key: str) -> dict[str, Any]:
        """Read how far a result under way is, as its task last said; empty when it said nothing yet."""
        for folder in self._under_way(self._name(stage, key)):
            try:
                loaded: dict[str, Any] = read_json(folder / "progress.json")
            except (FileNotFoundError, NotADirectoryError, ValueError):
                continue  # not begun, or done this moment
            return loaded
        return {}

    def partials(self) -> list[Path]:
        """Give the folders of what is being made, and of what was begun and not ended."""
        folder = self.root / PARTIAL
        return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def partial(self, stage: str, key: str, token: str = "") -> Path:
        """Give the folder in which a result is being made, by whoever has a token, or the only lock."""
        name = self._name(stage, key)
        return self.root / PARTIAL / (f"{name}.{token}" if token else name)

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
        with disk_errors_in_words(self.root):
            while True:
                with locked_if_free(self.root, self._name(stage, key)) as hold:
                    if hold is not None and self._has_now(stage, key):
                        return False
                    how = {"keeps_partial": keeps_partial, "is_synced": is_synced}
                    if hold is not None and self._make(stage, key, make, hold, **how):
                        return True
                if not wait:
                    raise MadeElsewhereError
                time.sleep(POLL_S)

    def is_being_made(self, stage: str, key: str) -> bool:
        """Tell whether a process is making a result at this moment.

        Of one on another machine that has died only this process can tell that has asked for a minute.
        """
        with disk_errors_in_words(self.root), locked_if_free(self.root, self._name(stage, key)) as hold:
            return hold is None

    def _make(
        self,
        stage: str,
        key: str,
        make: Callable[[Path], Mapping[str, Any]],
        hold: Hold,
        *,
        keeps_partial: bool,
        is_synced: bool,
    ) -> bool:
        """Make a result that is held; tell whether it was published: another may have taken over meanwhile."""
        work, final = self.partial(stage, key, hold.token), self.folder(stage, key)
        self._take_over(self._name(stage, key), work, keeps_partial=keeps_partial)
        try:
            record = make(work)
            (work / "progress.json").unlink(missing_ok=True)
            write_json(work / RECORD, record)
            said = (work / RECORD).read_bytes()
        except Exception:
            if hold.is_ours():
                raise
            return False  # its folder was taken away under it
        if not hold.is_ours():
            shutil.rmtree(work, ignore_errors=True)
            return False
        return self._publish(work, final, said, is_synced=is_synced)

    def _publish(self, work: Path, final: Path, said: bytes, *, is_synced: bool) -> bool:
        """Put a complete result, whose record says this, into its place; tell whether this process did so."""
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            if final.exists() and not _holds_record(final):  # a result without its record: damaged by hand
                shutil.rmtree(final)
            work.rename(final)
        except OSError:
            # NFS sends a request again where the answer was lost, and answers it with an error where it was done
            refresh(final.parent)
            there = _bytes_of(final / RECORD)
            if there is None and work.exists():
                raise
            if there != said:  # another one's, or taken over and not yet made
                shutil.rmtree(work, ignore_errors=True)
                return False
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

    def _take_over(self, name: str, work: Path, *, keeps_partial: bool) -> None:
        """Make the folder of a work, of what was left of it, or empty; what others have of it is taken from them."""
        work.parent.mkdir(parents=True, exist_ok=True)
        for left in self._under_way(name):
            if left == work and keeps_partial:
                continue
            aside = work.with_name(f".{secrets.token_hex(8)}.left")
            try:
                left.rename(work if keeps_partial and not work.exists() else aside)
            except OSError as error:
                if error.errno not in GONE:
                    raise
                continue  # published this moment, by one that was taken for gone
            shutil.rmtree(aside, ignore_errors=True)  # where its owner still writes, `runs gc` deletes the rest
        work.mkdir(exist_ok=True)

    def _under_way(self, name: str) -> list[Path]:
        """Give the folders in which a result is being made, or was begun: the last that was written to first."""
        folder = self.root / PARTIAL
        try:
            found = [of for of in folder.iterdir() if of.name == name or of.name.startswith(f"{name}.")]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(found, key=_written_at, reverse=True)

    def _has_now(self, stage: str, key: str) -> bool:
        """Tell whether a result is there, also where another machine has made it this moment."""
        if self.has(stage, key):
            return True
        refresh(self.root / stage)
        return self.has(stage, key)

    def _name(self, stage: str, key: str) -> str:
        return f"{stage}-{key[:32]}"


def refresh(folder: Path) -> None:
    """Let this machine forget what it remembers of a folder on a network: what it changes itself it asks for anew."""
    try:
        os.utime(folder)
    except FileNotFoundError:
        return
    except PermissionError:
        list(folder.iterdir())


def _holds_record(folder: Path) -> bool:
    return any(path.name == RECORD for path in folder.iterdir())


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno in GONE:
            return None
        raise


def _written_at(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError as error:
        if error.errno in GONE:
            return 0
        raise
