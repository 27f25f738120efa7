"""Import weights: another process reads them, this one looks at what it left, and puts card and tensors in place."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pnetkit.children import how_it_ended
from pnetkit.errors import WeightsError
from pnetkit.files import disk_errors_in_words, file_digest, write_json
from pnetkit.plain_files import not_plain
from pnetkit.transfer.card import CARD, WEIGHTS, Card, card_of, read_card
from pnetkit.transfer.reading import FAILED, FOUND

PATIENCE_S = 1800
"""Seconds that reading may take."""


def import_weights(source: Path, out: Path, *, license_text: str | None = None, **asked: str | None) -> Card:
    """Read weights in a process of their own into the new or empty folder `out`, and give their card.

    `license_text` is what the user knows of the license; `asked` is what `pnetkit.transfer.reading.read` takes.

    Raises:
        WeightsError: they cannot be read, hold what is no tensor, or `out` is there and not empty.
        StoreError: the disk takes no more.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise WeightsError(f"{out}: is there and not empty. Give a new folder.")
    with disk_errors_in_words(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as made:
            found = read_apart(source, Path(made), asked)
            faults = not_plain(Path(made))
            if faults:
                raise WeightsError(f"{source}: reading it left what is not plain data ({faults[0]}). It is not taken.")
            if license_text is not None:
                found |= {"license": license_text, "license_from": "who imported it"}
            work = Path(made) / "done"
            work.mkdir()
            shutil.move(Path(made) / WEIGHTS, work / WEIGHTS)
            write_json(work / CARD, card_of({"weights": file_digest(work / WEIGHTS), **found}).as_json())
            if out.exists():
                out.rmdir()
            work.rename(out)
    return read_card(out)


def read_apart(source: Path, out: Path, asked: Mapping[str, str | None]) -> dict[str, Any]:
    """Let a process of its own read weights into `out`, and give what it found.

    It begins without the folder it stands in on its path (`-P`), and without a shell. Raises WeightsError in words.
    """
    given = json.dumps({"source": str(source.resolve()), "out": str(out.resolve()), **asked})
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-P", "-m", "pnetkit.transfer.reading"]
    try:
        ended = subprocess.run(
            command, input=given, text=True, capture_output=True, timeout=PATIENCE_S, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"{source}: could not be read within {PATIENCE_S} seconds.") from error
    if (out / FAILED).is_file():
        raise WeightsError(json.loads((out / FAILED).read_text(encoding="utf-8")))
    if ended.returncode or not (out / FOUND).is_file():
        last = ended.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise WeightsError(f"{source}: the process that read it {how_it_ended(ended.returncode)} ({last[0][:300]}).")
    found: dict[str, Any] = json.loads((out / FOUND).read_text(encoding="utf-8"))
    (out / FOUND).unlink()
    return found
