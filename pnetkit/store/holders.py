"""Which runs hold results of a store: each is noted when it begins, before it has made anything."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pnetkit.errors import StoreError
from pnetkit.files import read_json, write_json
from pnetkit.store.node import Ref
from pnetkit.store.store import Store

HOLDERS = "runs"
"""The folder of a store in which they are noted."""

CLAIM = "claim.json"
"""The file of a run's folder that says whose it is, from its first moment on."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Hold what is noted of a run: its note, its key, its folder, and the results that it needs, as `STAGE/NAME`."""

    note: Path
    run_key: str
    folder: Path
    results: frozenset[str]

    @property
    def is_there(self) -> bool:
        """Tell whether the folder is still there, and still this run's."""
        try:
            return bool(read_json(self.folder / CLAIM)["run_key"] == self.run_key)
        except (OSError, ValueError, KeyError, TypeError):
            return False


def note_holder(store: Store, run_key: str, folder: Path, needed: Iterable[Ref]) -> None:
    """Note what a run in a folder needs, whether it is made already or not."""
    place = store.root / HOLDERS
    place.mkdir(parents=True, exist_ok=True)
    write_json(
        place / f"{run_key[:32]}.json",
        {
            "run_key": run_key,
            "folder": os.path.relpath(folder.resolve(), store.root.resolve()),  # both may move together
            "results": sorted(f"{ref.stage}/{ref.key[:32]}" for ref in needed),
        },
    )


def holders(store: Store) -> list[Holder]:
    """Read all notes. Raises StoreError for one that cannot be read: what it holds is then not known."""
    found = []
    for note in sorted((store.root / HOLDERS).glob("*.json")):
        try:
            said = json.loads(note.read_text(encoding="utf-8"))
            folder = Path(os.path.normpath(store.root.resolve() / said["folder"]))
            results = frozenset(str(name).replace("\\", "/") for name in said["results"])
            found.append(Holder(note, said["run_key"], folder, results))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{note}: cannot be read ({error}), so nothing is deleted. Remove it.") from error
    return found
