"""Say which study, patient and folder a case id stands for: on request, in a file of its own for its owner's eyes."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from pnetkit.errors import CohortError, Fault, StoreError
from pnetkit.files import disk_errors_in_words, write_atomically
from pnetkit.locks.holding import held
from pnetkit.locks.way import way_of
from pnetkit.screening.source import ScreeningCase

COLUMNS = ["case_id", "patient_id", "patient_name", "study_uid", "folder"]

OWNER_ONLY = 0o600
"""Rights of the file: its owner reads and writes it, nobody else does."""


def write_trace(path: Path, cases: Sequence[ScreeningCase], out: Path) -> None:
    """Write a line (CSV) for each case, beside the lines of other cases that the file has already.

    Raises:
        CohortError: the file would lie among the findings, which are handed on.
        StoreError: there is a file that is no trace, or it cannot be written.
    """
    if path.resolve().is_relative_to(out.resolve()):
        fault = Fault(
            "--trace", f"{path} lies in {out}, which may be handed on; it names patients: choose a place outside"
        )
        raise CohortError("Nothing was written:", [fault])
    with disk_errors_in_words(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with held(path.with_name(f".{path.name}"), way_of(path.parent)):
            rows = _known(path) | {case.id: _row(case) for case in cases}
            text = io.StringIO()
            writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows[name] for name in sorted(rows))
            write_atomically(path, text.getvalue().encode(), mode=OWNER_ONLY)


def _row(case: ScreeningCase) -> dict[str, str]:
    origin = case.origin()
    return {
        "case_id": case.id,
        "patient_id": "; ".join(origin.patient_ids),
        "patient_name": "; ".join(origin.patient_names),
        "study_uid": "; ".join(origin.study_uids),
        "folder": "; ".join(origin.folders),
    }


def _known(path: Path) -> dict[str, dict[str, str]]:
    """Read the lines that are there. Raises StoreError for a file that is none of ours."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
            ours = reader.fieldnames == COLUMNS and not any(None in row or None in row.values() for row in rows)
    except FileNotFoundError:
        return {}
    except (UnicodeDecodeError, csv.Error):
        ours = False
    if not ours:
        raise StoreError(f"{path}: is there already, and is no trace of cases; nothing is overwritten. Choose another.")
    return {row["case_id"]: row for row in rows}
