"""Take patients and diagnoses of PANORAMA's studies from its `clinical_information.xlsx`."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pnetkit.cohort.layouts import Entry
from pnetkit.cohort.spreadsheet import Rows, column, read_table
from pnetkit.errors import CohortError, Fault, counted

DIAGNOSES = {"pdac": True, "non-pdac": False, "": None}
"""What its column `label` says."""

OTHER_SETS = "_dataset"
"""How a `level` ends that names the set that a study was taken from."""

Numbers = tuple[int, ...]


def with_sheet(entries: Sequence[Entry], path: Path) -> tuple[list[Entry], list[str]]:
    """Give the studies with the patient, the diagnosis and the other set, if any, that the sheet says; and notes.

    Studies are known by numbers, because a spreadsheet drops the zeros before them.

    Raises CohortError where the sheet lacks a column, names no study, or one twice, or says what is not known.
    """
    rows = read_table(path)
    of = {name: column(rows, name) for name in ("PANORAMA_patient_id", "PANORAMA_study_id", "label", "level")}
    missing = [name for name in ("PANORAMA_patient_id", "PANORAMA_study_id", "label") if of[name] is None]
    if missing:
        raise _wrong(path, f"has no column {missing[0]!r}; it has {', '.join(rows[0])}")
    by_study = _by_study(path, rows, of, {_numbers(entry.case_id) for entry in entries} - {()})
    found, without = [], []
    for entry in entries:
        row = by_study.get(_numbers(entry.case_id))
        if row is None:
            without.append(entry.case_id)
            found.append(entry)
            continue
        level = row.get(of["level"] or "", "")
        site = level.removesuffix(OTHER_SETS) if level.endswith(OTHER_SETS) else ""
        patient, diagnosis = row[of["PANORAMA_patient_id"] or ""], row[of["label"] or ""].lower()
        if diagnosis not in DIAGNOSES or not patient:
            raise _wrong(path, f"says {diagnosis!r} of {entry.case_id} (patient {patient!r}); wanted PDAC or non-PDAC")
        found.append(replace(entry, patient_id=patient, abnormal=DIAGNOSES[diagnosis], site=site))
    patients = len({entry.patient_id for entry in found})
    notes = [
        f"{counted(patients, 'patient')} for {len(found)} studies; non-PDAC is called normal, other lesions or not"
    ]
    if without:
        notes.append(f"{path} says nothing of {counted(len(without), 'study')}, such as {without[0]}")
    return found, notes


def _by_study(
    path: Path, rows: Rows, of: Mapping[str, str | None], studies: set[Numbers]
) -> dict[Numbers, dict[str, str]]:
    """Give the row of each study: of the ways to name one, that by which most rows are studies."""
    patient, study = of["PANORAMA_patient_id"] or "", of["PANORAMA_study_id"] or ""
    ways: list[Callable[[dict[str, str]], Numbers]] = [
        lambda row: _numbers(row[study]),
        lambda row: (*_numbers(row[patient]), *_numbers(row[study])),
        lambda row: (*_numbers(row[study]), 1),  # the number that all its files have
    ]
    named = max(
        ([way(row) for row in rows] for way in ways), key=lambda of_way: sum(name in studies for name in of_way)
    )
    counts = Counter(name for name in named if name in studies)
    if not counts:
        raise _wrong(path, "names none of the studies; wanted those that the images are called by")
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise _wrong(path, f"names the study {'_'.join(map(str, twice[0]))} twice")
    return {name: row for name, row in zip(named, rows, strict=True) if name}  # a cell without a number names none


def _numbers(text: str) -> Numbers:
    """Give the numbers of an id (100000_00001, 100000, 1.0), without what a spreadsheet adds; none of others."""
    parts = text.removesuffix(".0").split("_")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()


def _wrong(where: Path, message: str) -> CohortError:
    return CohortError("The sheet cannot be used:", [Fault(str(where), message)])
