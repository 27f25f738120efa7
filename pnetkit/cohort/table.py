"""Read a cohort: a CSV with one row a case.

Columns: `case_id`, `patient_id`, `abnormal` (0, 1, or empty when unknown) and `<phase>_image` for each phase; optional
are `<phase>_label`, `site`, `fold`, `held_out` (1: nothing is learned from the case) and `labeled` (the classes that
its labels have; empty for all). Paths are relative to the CSV. An empty image cell says that the case lacks the phase.
Further columns are left alone.
"""

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pnetkit.case_ids import case_id_fault
from pnetkit.errors import CohortError, Fault, did_you_mean
from pnetkit.label_sets import ANNOTATABLE
from pnetkit.types import Case, ScanFiles

ABNORMAL = {"1": True, "0": False, "true": True, "false": False, "": None}
"""What the column `abnormal` may hold."""

HELD_OUT = ABNORMAL | {"": False}
"""What the column `held_out` may hold."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Hold the cases of a table, sorted by id, for the phases that were asked for."""

    cases: tuple[Case, ...]
    phases: tuple[str, ...]
    source: Path


def read_cohort(path: Path, phases: Sequence[str]) -> tuple[Cohort, list[Fault]]:
    """Read the table and give its well-formed cases together with every fault found in it.

    Raises:
        CohortError: the file itself cannot be used: missing, not UTF-8, without rows, or without a needed column.
    """
    rows, header = _read_rows(path)
    needed = ["case_id", "patient_id", "abnormal", *(f"{phase}_image" for phase in phases)]
    absent = [
        Fault(path.name, f"there is no column {name!r}.{did_you_mean(name, header)}")
        for name in needed
        if name not in header
    ]
    if absent:
        raise CohortError(f"{path} is not a cohort for the phases {', '.join(phases)}:", absent)
    return _cohort(path, rows, phases)


def read_unphased_cohort(path: Path) -> tuple[Cohort, list[Fault]]:
    """Read a table with whatever phases its columns name, as `read_cohort` does."""
    _, header = _read_rows(path)
    phases = [name.removesuffix("_image") for name in header if name.endswith("_image")]
    return read_cohort(path, phases)


def with_folds(path: Path, folds: Mapping[str, int], out: Path) -> str:
    """Give the text of a table with a fold for each case, all else as it is; paths are made relative to `out`."""
    rows, header = _read_rows(path)
    columns = [*(name for name in header if name != "fold"), "fold"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for _, row in rows:
        placed = {
            name: Path(os.path.relpath((path.parent / cell).resolve(), out.resolve().parent)).as_posix()
            for name, cell in row.items()
            if cell and name.endswith(("_image", "_label"))
        }
        writer.writerow(row | placed | {"fold": str(folds[row["case_id"]])})
    return text.getvalue()


def read_unlabeled_cohort(path: Path, phases: Sequence[str]) -> tuple[Cohort, list[Fault]]:
    """Read a table of which nothing but `case_id` and an image of at least one phase is asked, as for screening.

    Diagnoses, patients and labels are neither needed nor used. Otherwise as `read_cohort`.
    """
    rows, header = _read_rows(path)
    images = [f"{phase}_image" for phase in phases]
    absent = [name for name in ("case_id",) if name not in header]
    if not any(name in header for name in images):
        absent += [name for name in images if name not in header]
    if absent:
        faults = [Fault(path.name, f"there is no column {name!r}.{did_you_mean(name, header)}") for name in absent]
        raise CohortError(f"{path} is no table of cases with the phases {', '.join(phases)}:", faults)
    kept = {"case_id", *images}
    bare = [(line, {name: row.get(name, "") for name in kept}) for line, row in rows]
    return _cohort(path, [(n, row | {"patient_id": row["case_id"] or "-", "abnormal": ""}) for n, row in bare], phases)


def _cohort(
    path: Path, rows: Sequence[tuple[int, dict[str, str]]], phases: Sequence[str]
) -> tuple[Cohort, list[Fault]]:
    cases: list[Case] = []
    faults: list[Fault] = []
    for line, row in rows:
        case, problems = _case(row, phases, path.parent)
        where = f"{path.name}:{line}" + (f", case {row['case_id']}" if row.get("case_id") else "")
        faults += [Fault(where, problem) for problem in problems]
        if case is not None and not problems:
            cases.append(case)
    faults += _across(cases, path.name)
    return Cohort(tuple(sorted(cases, key=lambda case: case.id)), tuple(phases), path), faults


def _read_rows(path: Path) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise CohortError(f"{path}: there is no such cohort.", []) from error
    except (OSError, UnicodeDecodeError) as error:
        raise CohortError(f"{path}: cannot be read as UTF-8 text ({error}). Save it as CSV, UTF-8.", []) from error
    if "\0" in text:
        raise CohortError(f"{path}: holds binary data. Save it as CSV, UTF-8.", [])
    try:
        reader = csv.reader(io.StringIO(text), strict=True)
        header = [name.strip() for name in next(reader, [])]
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise CohortError(f"{path}:{reader.line_num}: is not well-formed CSV ({error}).", []) from error
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        raise CohortError(f"{path}: its columns are not separated by commas. Save it as comma-separated values.", [])
    twice = [name for name, count in Counter(header).items() if count > 1]
    ragged = [line for line, cells in lines if len(cells) != len(header)]
    faults = [Fault(path.name, f"the column {name!r} is there twice; remove one") for name in twice]
    faults += [Fault(f"{path.name}:{line}", f"wanted {len(header)} cells, one for each column") for line in ragged]
    if not lines:
        faults.append(Fault(path.name, "there is no case in it"))
    if faults:
        raise CohortError(f"{path} is not a well-formed table:", faults)
    return [(line, dict(zip(header, cells, strict=True))) for line, cells in lines], header


def _case(row: dict[str, str], phases: Sequence[str], folder: Path) -> tuple[Case | None, list[str]]:
    problems: list[str] = []
    case_id, abnormal, fold = row["case_id"], row["abnormal"].lower(), row.get("fold", "")
    problems += filter(None, [case_id_fault(case_id)])
    if not row["patient_id"]:
        problems.append(
            "patient_id is empty; folds are made by patient. Repeat the case_id if every case is one patient"
        )
    if abnormal not in ABNORMAL:
        problems.append(f"abnormal is {row['abnormal']!r}; wanted 1, 0, or nothing when unknown")
    held_out = row.get("held_out", "").lower()
    if held_out not in HELD_OUT:
        problems.append(f"held_out is {row['held_out']!r}; wanted 1, 0, or nothing for a case to learn from")
    labeled, unknown = _labeled(row.get("labeled", ""))
    if unknown:
        problems.append(
            f"labeled names {unknown!r}; wanted some of {', '.join(ANNOTATABLE)}, or nothing for all."
            f"{did_you_mean(unknown, ANNOTATABLE)}"
        )
    if fold and not fold.isdecimal():
        problems.append(f"fold is {fold!r}; wanted a whole number from 0")
    scans = {}
    for phase in phases:
        image, label = row[f"{phase}_image"], row.get(f"{phase}_label", "")
        if image:
            scans[phase] = ScanFiles(folder / image, folder / label if label else None)
        elif label:
            problems.append(f"{phase}_label is given without {phase}_image")
    if not scans:
        problems.append(f"names no image; wanted at least one of {', '.join(f'{p}_image' for p in phases)}")
    images = [os.path.realpath(files.image) for files in scans.values()]  # a link that leads to itself is no error here
    if len(set(images)) < len(images):
        problems.append("names the same image file for two phases")
    if problems:
        return None, problems
    return Case(
        id=case_id,
        patient=row["patient_id"],
        scans=scans,
        abnormal=ABNORMAL[abnormal],
        site=row.get("site", ""),
        fold=int(fold) if fold else None,
        held_out=bool(HELD_OUT[held_out]),
        labeled=labeled,
    ), []


def _labeled(cell: str) -> tuple[tuple[str, ...] | None, str]:
    """Give the classes that a cell names in their order, None for all of them; and the first word that is no class."""
    words = [word for word in re.split(r"[\s,;+]+", cell.lower()) if word]
    unknown = next((word for word in words if word not in ANNOTATABLE), "")
    named = tuple(name for name in ANNOTATABLE if name in words)
    return (named if named and len(named) < len(ANNOTATABLE) else None), unknown


def _across(cases: Sequence[Case], name: str) -> list[Fault]:
    """Find what is wrong between cases: ids twice, folds for some only, a patient in two folds."""
    faults = [
        Fault(name, f"case_id {case_id!r} is there {count} times; wanted once")
        for case_id, count in Counter(case.id for case in cases).items()
        if count > 1
    ]
    faults += [
        Fault(
            name, f"the case_ids {' and '.join(sorted(alike))} differ in capitals only, and name one file on some disks"
        )
        for alike in _alike(case.id for case in cases)
    ]
    given = [case for case in cases if case.fold is not None]
    if given and len(given) < len(cases):
        without = [case.id for case in cases if case.fold is None]
        faults.append(Fault(name, f"fold is given for some cases but not for {_list(without)}; give all or none"))
    folds = sorted({case.fold for case in given if case.fold is not None})
    if given and (folds != list(range(len(folds))) or len(folds) < 2):  # noqa: PLR2004
        faults.append(Fault(name, f"the folds are {folds}; wanted 0, 1, … without gaps, two at the least"))
    by_patient: dict[str, set[int]] = {}
    for case in given:
        by_patient.setdefault(case.patient, set()).add(case.fold or 0)
    faults += [
        Fault(name, f"patient {patient!r} is in the folds {sorted(of)}: training would see the tested patient")
        for patient, of in sorted(by_patient.items())
        if len(of) > 1
    ]
    return faults


def _alike(ids: Iterable[str]) -> list[set[str]]:
    by_lower: dict[str, set[str]] = {}
    for case_id in ids:
        by_lower.setdefault(case_id.lower(), set()).add(case_id)
    return [of for of in by_lower.values() if len(of) > 1]


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")  # noqa: PLR2004
