"""Make a cohort's table of cases that were found in another layout: diagnoses, folds, relative paths."""

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pnetkit.case_ids import case_id_fault
from pnetkit.cohort.layouts import Entry
from pnetkit.cohort.table import ABNORMAL
from pnetkit.errors import CohortError, Fault, ImageError, counted
from pnetkit.files import write_atomically
from pnetkit.imaging.nifti import label_values


def table_text(entries: Sequence[Entry], phases: Sequence[str], diagnoses: Mapping[str, bool | None], out: Path) -> str:
    """Give the text of a cohort's CSV that is to lie at `out`; a case that `diagnoses` does not name is unknown.

    Raises:
        CohortError: there is no case, two have one id, an id cannot name files, or no case has one of the phases.
    """
    if not entries:
        raise CohortError("The cohort cannot be imported:", [Fault("source", "no case was found in it")])
    counts = Counter(entry.case_id for entry in entries)
    faults = [Fault(case, "is there more than once") for case, count in sorted(counts.items()) if count > 1]
    faults += [Fault("source", wrong) for wrong in map(case_id_fault, sorted(counts)) if wrong]
    faults += [
        Fault("--phase", f"no case has a {phase} image; correct what stands for it, or leave it out")
        for phase in phases
        if not any(phase in entry.images for entry in entries)
    ]
    if faults:
        raise CohortError("The cohort cannot be imported:", faults)
    folds = any(entry.fold is not None for entry in entries)
    columns = ["case_id", "patient_id", "abnormal"]
    columns += [f"{phase}_{kind}" for phase in phases for kind in ("image", "label")] + (["fold"] if folds else [])
    columns += [name for name in ("site", "held_out") if any(getattr(entry, name) for entry in entries)]
    columns += list(dict.fromkeys(name for entry in entries for name in entry.more))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for entry in sorted(entries, key=lambda entry: entry.case_id):
        row = {"case_id": entry.case_id, "patient_id": entry.patient_id}
        abnormal = diagnoses.get(entry.case_id)
        row["abnormal"] = "" if abnormal is None else str(int(abnormal))
        row |= {f"{phase}_image": _relative(path, out) for phase, path in entry.images.items()}
        row |= {f"{phase}_label": _relative(path, out) for phase, path in entry.labels.items()}
        row |= {"site": entry.site, "held_out": str(int(entry.held_out))} | dict(entry.more)
        if entry.fold is not None:
            row["fold"] = str(entry.fold)
        writer.writerow(row)
    return text.getvalue()


def strangers(entries: Sequence[Entry], named: Iterable[str], where: Path) -> str:
    """Say which ids that a file names are no case's; empty where there is none.

    Raises:
        CohortError: no id is a case's, or one is but for leading zeros or capitals, as spreadsheets change them.
    """
    cases = {entry.case_id for entry in entries}
    unknown = sorted(set(named) - cases)
    alike = {_loosely(case): case for case in cases - set(named)}
    faults = [
        Fault(str(where), f"names the case {name!r}; did you mean {alike[_loosely(name)]!r}?")
        for name in unknown
        if _loosely(name) in alike
    ]
    if unknown and not faults and not cases & set(named):
        faults = [Fault(str(where), f"names {_some(unknown)}, and the cases are {_some(sorted(cases))}")]
    if faults:
        raise CohortError("The ids do not fit the cases:", faults)
    return f"{where} names {len(unknown)} that are no case here: {_some(unknown)}" if unknown else ""


def diagnoses_of_table(path: Path) -> dict[str, bool | None]:
    """Read diagnoses from a CSV with the columns `case_id` and `abnormal` (1, 0 or empty)."""
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CohortError("Diagnoses cannot be read:", [Fault(str(path), str(error))]) from error
    faults = []
    found: dict[str, bool | None] = {}
    for number, row in enumerate(rows, start=2):
        cell = (row.get("abnormal") or "").strip().lower()
        if not row.get("case_id") or "abnormal" not in row or cell not in ABNORMAL:
            faults.append(Fault(f"{path}:{number}", f"wanted case_id and abnormal (1, 0 or empty), got {row}"))
            continue
        case_id = row["case_id"].strip()
        if found.get(case_id, ABNORMAL[cell]) != ABNORMAL[cell]:
            faults.append(Fault(f"{path}:{number}", f"gives {case_id} another diagnosis than an earlier row"))
        found[case_id] = ABNORMAL[cell]
    if faults or not rows:
        raise CohortError("Diagnoses cannot be read:", faults or [Fault(str(path), "has no rows")])
    return found


def diagnoses_of_labels(entries: Sequence[Entry], values: Sequence[int]) -> tuple[dict[str, bool | None], str]:
    """Call a case abnormal where a label map of it holds one of the values; unknown where it has no label map.

    Gives the diagnoses, and which of the values no label map holds; empty where each is in one.

    Raises:
        CohortError: label maps cannot be read; all of them are listed.
    """
    found: dict[str, bool | None] = {}
    faults = []
    anywhere: set[int] = set()
    for entry in entries:
        held: set[int] = set()
        for path in set(entry.labels.values()):
            try:
                held |= {int(value) for value in label_values(path)}
            except ImageError as error:
                faults.append(Fault(entry.case_id, str(error)))
        anywhere |= held
        found[entry.case_id] = bool(held & set(values)) if entry.labels else None
    if faults:
        raise CohortError("Diagnoses cannot be taken from the labels:", faults)
    missing = sorted(set(values) - anywhere)
    if not missing:
        return found, ""
    there = ", ".join(map(str, sorted(anywhere))) or "nothing"
    return found, f"no label map holds {', '.join(map(str, missing))}, so nothing is abnormal by it; they hold {there}"


def overruled(said: Mapping[str, bool | None], by_labels: Mapping[str, bool | None]) -> str:
    """Say which cases a set's own table calls otherwise than their labels do; empty where there is none."""
    cases = sorted(case for case, of in said.items() if of is not None and by_labels.get(case, of) not in (None, of))
    if not cases:
        return ""
    return f"{counted(len(cases), 'case')} called otherwise by the set's own table; the label maps win: {_some(cases)}"


def with_splits(entries: Sequence[Entry], path: Path) -> tuple[list[Entry], str]:
    """Give every case the fold in which nnU-Net's `splits_final.json` validates it, and what `strangers` says of it.

    Raises:
        CohortError: the file cannot be read, or leaves a case out, or validates one twice.
    """
    try:
        splits = json.loads(path.read_text(encoding="utf-8"))
        validated = [(case, fold) for fold, split in enumerate(splits) for case in split["val"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        fault = Fault(str(path), f"{type(error).__name__}: {error}")
        raise CohortError("The splits cannot be read:", [fault]) from error
    names = [case for case, _ in validated]
    folds = dict(validated)
    twice = sorted({case for case in names if names.count(case) > 1})
    faults = [Fault(str(path), f"validates {case} in two folds") for case in twice]
    faults += [Fault(str(path), f"leaves {e.case_id} out") for e in entries if e.case_id not in folds]
    if faults:
        raise CohortError("The splits do not fit the cases:", faults)
    return [replace(entry, fold=folds[entry.case_id]) for entry in entries], strangers(entries, folds, path)


def splits_text(folds: Mapping[str, int], held_out: Collection[str] = ()) -> str:
    """Give nnU-Net's `splits_final.json`: for each fold the ids of cases in training and validation.

    Cases that are held out are trained on in no fold.
    """
    numbers = sorted(set(folds.values()))
    splits = [
        {
            "train": sorted(case for case, fold in folds.items() if fold != number and case not in held_out),
            "val": sorted(case for case, fold in folds.items() if fold == number),
        }
        for number in numbers
    ]
    return json.dumps(splits, indent=2) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a file that is not there yet, complete or not at all. Raises CohortError where it is there."""
    try:
        if path.exists():
            raise CohortError("Nothing was written:", [Fault(str(path), "is there already; choose another name")])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
    except OSError as error:
        raise CohortError("Nothing was written:", [Fault(str(path), str(error.strerror))]) from error


def _loosely(case_id: str) -> str:
    return case_id.removesuffix(".0").lstrip("0").lower()


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")  # noqa: PLR2004


def _relative(path: Path, out: Path) -> str:
    return Path(os.path.relpath(path.resolve(), out.resolve().parent)).as_posix()
