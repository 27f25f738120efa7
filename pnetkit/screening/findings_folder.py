"""A folder of findings: one model's, shared by calls that run at once, with a table made of what lies in it.

out/findings.csv         one line for each case that lies there, by case id
out/screening.json       which model, and what the last call did
out/index.html           the same lines to be looked at, where pages are made
out/CASE/                what became of a case: it takes its place as a whole
out/.CASE.part/          a case under way
out/.locks/CASE.lock     held by the call that screens a case, from its reading to its place
out/.locks/.table.lock   held while a case takes its place and the table is written
                         (CASE.claim and .table.claim where machines share the folder, see pnetkit/locks/)
"""

import glob
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pnetkit.errors import StoreError
from pnetkit.files import disk_errors_in_words, read_json, write_atomically, write_json
from pnetkit.locks.holding import Hold, held, held_when_free, hold_if_free
from pnetkit.locks.way import agree, way_of
from pnetkit.screening.findings_table import TABLE, row, table

FINDING, FAILED, SCREENING = "finding.json", "failed.json", "screening.json"

TOKEN = "[0-9a-f]" * 16
"""What the token of a claim looks like."""

LOCKS = ".locks"
"""No case can be called that: ids begin with a letter or digit."""


class FindingsFolder:
    """Findings of one model, by case; `inputs` are its inputs, whose measurements the table lists."""

    def __init__(self, out: Path, inputs: Sequence[str]) -> None:
        self.out = out
        self.inputs = inputs
        self._rows: dict[Path, tuple[tuple[int, ...], dict[str, str]]] = {}
        self._holds: dict[str, Hold] = {}

    def claim(self, head: Mapping[str, Any]) -> None:
        """Make sure that findings of `head`'s model may be written here, and that the table says what lies here.

        Raises:
            StoreError: the folder is not empty and holds no findings or another model's, or cannot be written.
        """
        with disk_errors_in_words(self.out):
            if self.out.exists() and not (self.out.is_dir() and ((self.out / LOCKS).is_dir() or self._is_free())):
                raise StoreError(f"{self.out}: is not empty and holds no findings. Choose another --out.")
            (self.out / LOCKS).mkdir(parents=True, exist_ok=True)
            agree(self.out / LOCKS)
            with self._table_held():
                if not self._is_free():
                    raise StoreError(f"{self.out}: is not empty and holds no findings. Choose another --out.")
                if (self.out / SCREENING).is_file() and self._model() != head["model"]["digest"]:
                    raise StoreError(f"{self.out}: holds findings of another model. Choose another --out.")
                write_json(self.out / SCREENING, head)
                self._write_table()

    @contextmanager
    def held(self, case_id: str, say: Callable[[str], None]) -> Iterator[None]:
        """Hold a case, so that no other call screens it; wait for one that does, and `say` so."""

        def waiting() -> None:
            say(f"{case_id}: another call is at it; waiting for it to end.")

        with disk_errors_in_words(self.out):
            place, way = self.out / LOCKS / case_id, way_of(self.out / LOCKS)
            holding = ExitStack()
            hold = holding.enter_context(held_when_free(lambda: hold_if_free(place, way), waiting=waiting))
        with holding:
            self._holds[case_id] = hold
            try:
                yield
            finally:
                del self._holds[case_id]

    def known(self, case_id: str, key: str) -> dict[str, Any] | None:
        """Give a case's finding, if it was made under this key and all its results were written; None otherwise."""
        try:
            record: dict[str, Any] = read_json(self.out / case_id / FINDING)
        except (OSError, ValueError):
            return None  # not there yet, or damaged: it is made anew
        return record if record.get("key") == key and not record.get("unwritten") else None

    def begin(self, case_id: str) -> Path:
        """Give an empty folder for what becomes of a case that is held. Raises StoreError as `place`."""
        work = self._work(case_id)
        with disk_errors_in_words(self.out):
            self._require_ours(self.out / case_id)
            for left in (self.out / f".{case_id}.part", *self.out.glob(f".{glob.escape(case_id)}.{TOKEN}.part")):
                self._remove(left)
            work.mkdir()
        return work

    def place(self, case_id: str) -> None:
        """Put what was begun into its place, whatever lay there, and write the table.

        Raises:
            StoreError: there is something that is no folder of findings, the disk takes no more, or another call has
                taken the case over, because this one was stopped for long.
        """
        work, folder, earlier = self._work(case_id), self.out / case_id, self.out / f".{case_id}.old"
        with disk_errors_in_words(self.out):
            self._remove(earlier)
            with self._table_held():
                if case_id in self._holds and not self._holds[case_id].is_ours():
                    raise StoreError(f"{folder}: another call has taken the case over, as this one showed no life.")
                self._require_ours(folder)
                if folder.exists():
                    folder.rename(earlier)
                work.rename(folder)
                self._write_table()
            self._remove(earlier)

    def note(self, record: Mapping[str, Any]) -> None:
        """Write what a call did, when it is done."""
        with disk_errors_in_words(self.out), self._table_held():
            write_json(self.out / SCREENING, record)

    def write_beside(self, name: str, make: Callable[[Sequence[Mapping[str, str]]], bytes]) -> None:
        """Write a file beside the table, of the lines of all cases that lie here. Raises StoreError as `note`."""
        with disk_errors_in_words(self.out), self._table_held():
            write_atomically(self.out / name, make(self._lines()))

    def _work(self, case_id: str) -> Path:
        """Give where a case is under way: where a holder can be taken for gone, in a folder of its own."""
        token = self._holds[case_id].token if case_id in self._holds else ""
        return self.out / (f".{case_id}.{token}.part" if token else f".{case_id}.part")

    def _table_held(self) -> AbstractContextManager[Hold]:
        """Hold what a case's taking of its place and the table need."""
        return held(self.out / LOCKS / ".table", way_of(self.out / LOCKS))

    def _is_free(self) -> bool:
        """Tell whether nothing but findings, and what a call leaves that was killed early, lies here."""
        own = (LOCKS, f".{SCREENING}.")
        return (self.out / SCREENING).is_file() or all(path.name.startswith(own) for path in self.out.iterdir())

    def _model(self) -> Any:
        try:
            return json.loads((self.out / SCREENING).read_text(encoding="utf-8"))["model"]["digest"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write_table(self) -> None:
        """Write the table of the cases that lie here; the lock is held. What was read before is not read again."""
        data = table(self.inputs, self._lines())
        if not (self.out / TABLE).is_file() or (self.out / TABLE).read_bytes() != data:
            write_atomically(self.out / TABLE, data)

    def _lines(self) -> list[dict[str, str]]:
        """Give the lines of the cases that lie here, by case id."""
        folders = sorted(path for path in self.out.iterdir() if not path.name.startswith("."))
        return [found for folder in folders if (found := self._row(folder)) is not None]

    def _row(self, folder: Path) -> dict[str, str] | None:
        """Give the line of a case's folder; None for what is none."""
        for name, status in ((FINDING, "ok"), (FAILED, "failed")):
            path = folder / name
            try:
                seen = path.stat()
            except OSError:
                continue
            stamp = (seen.st_ino, seen.st_mtime_ns, seen.st_size)
            if path not in self._rows or self._rows[path][0] != stamp:
                self._rows[path] = (stamp, _line(folder.name, status, path))
            return self._rows[path][1]
        return None

    def _require_ours(self, folder: Path) -> None:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise StoreError(f"{folder}: is no folder of findings; move it away.")

    def _remove(self, folder: Path) -> None:
        """Remove a folder right below the claimed one."""
        if not (folder.parent / SCREENING).is_file():
            raise StoreError(f"{folder}: does not lie in a folder of findings; nothing is removed.")
        self._require_ours(folder)
        if folder.exists():
            shutil.rmtree(folder)


def _line(case_id: str, status: str, path: Path) -> dict[str, str]:
    try:
        return row(case_id, status, read_json(path))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"{path.name} is damaged ({type(error).__name__}: {error}); screen the case again"
        return row(case_id, "failed", {"reason": said})
