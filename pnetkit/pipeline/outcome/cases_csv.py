"""`cases.csv` of a run: one line a case, written and read back. No patient ids, no paths."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from pnetkit.evaluation.comparison import Call
from pnetkit.evaluation.summary import CaseRow
from pnetkit.evaluation.surfaces import SurfaceAgreement
from pnetkit.files import write_atomically

CASES = "cases.csv"
"""The file."""

OVERLAPS = ("pancreas", "tumor", "duct")
"""Whose Dice, NSD and HD95 are told, in columns `PHASE_NAME_dice`, `PHASE_NAME_nsd`, `PHASE_NAME_hd95_mm`."""

PROBABILITY = "probability"
"""Columns `probability` and `PHASE_probability`: empty where the score is no probability."""

OF_CASE = ("case_id", "abnormal", "fold", "status", "called_abnormal", "score", PROBABILITY, "fired", "missing")
OF_PHASE = (
    "called_abnormal",
    "score",
    "tumor_voxels",
    "duct_voxels",
    PROBABILITY,
    *(f"{name}_{figure}" for figure in ("dice", "nsd", "hd95_mm") for name in OVERLAPS),
    "flags",
)
REASON = "reason"

UNDEFINED = "undefined"
"""A Dice, NSD or HD95 of what neither prediction nor reference has; an HD95 of what only one of them has is `inf`."""


def write_cases(folder: Path, rows: Sequence[CaseRow], phases: Sequence[str]) -> None:
    """Write one line a case; the case ids lead back to the cohort's table."""
    columns = [*OF_CASE, *(f"{phase}_{name}" for phase in phases for name in OF_PHASE), REASON]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_cells(row, phases) for row in rows)
    write_atomically(folder / CASES, text.getvalue().encode())


def read_cases(folder: Path) -> list[dict[str, str]]:
    """Read the lines of a run's cases. Raises OSError and ValueError as reading does."""
    text = (folder / CASES).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def fused_calls(lines: Sequence[Mapping[str, str]]) -> dict[str, Call]:
    """Give the fused call of every case that was decided."""
    decided = [line for line in lines if line["status"] == "ok"]
    return {line["case_id"]: _call(line["called_abnormal"], line["score"], {}, {}, line) for line in decided}


def phase_calls(lines: Sequence[Mapping[str, str]], phase: str) -> dict[str, Call]:
    """Give what was found in one phase of every case that has it."""
    calls = {}
    for line in lines:
        if line[f"{phase}_score"] == "":
            continue
        overlaps = {name: line[f"{phase}_{name}_dice"] for name in OVERLAPS}
        dice = {name: _number(text) for name, text in overlaps.items() if text}
        surfaces = {
            name: SurfaceAgreement(_number(nsd), _number(line[f"{phase}_{name}_hd95_mm"]))
            for name in OVERLAPS
            if (nsd := line.get(f"{phase}_{name}_nsd"))  # not in runs of earlier releases
        }
        called, score = line[f"{phase}_called_abnormal"], line[f"{phase}_score"]
        calls[line["case_id"]] = _call(called, score, dice, surfaces, line, f"{phase}_")
    return calls


def _cells(row: CaseRow, phases: Sequence[str]) -> dict[str, str]:
    cells = {
        "case_id": row.case_id,
        "abnormal": _flag(row.abnormal),
        "fold": "" if row.fold is None else str(row.fold),
        "status": row.status,
        REASON: row.reason,
    }
    if row.fused is not None:
        cells |= {
            "called_abnormal": _flag(row.fused.abnormal),
            "score": repr(row.fused.score),
            PROBABILITY: "" if row.probability is None else repr(row.probability),
            "fired": ";".join(row.fused.fired),
            "missing": ";".join(row.fused.missing),
        }
    for phase in phases:
        if phase not in row.phases:
            continue
        found = row.phases[phase]
        cells |= {
            f"{phase}_called_abnormal": _flag(found.finding.abnormal),
            f"{phase}_score": repr(found.finding.score),
            f"{phase}_tumor_voxels": str(found.voxels["tumor"]),
            f"{phase}_duct_voxels": str(found.voxels["duct"]),
            f"{phase}_flags": ";".join(found.finding.flags),
        }
        if found.finding.probability is not None:
            cells[f"{phase}_{PROBABILITY}"] = repr(found.finding.probability)
        for label, value in (found.dice or {}).items():
            cells[f"{phase}_{label}_dice"] = _told(value)
        for label, of in (found.surfaces or {}).items():
            cells |= {f"{phase}_{label}_nsd": _told(of.nsd), f"{phase}_{label}_hd95_mm": _told(of.hd95_mm)}
    return cells


def _flag(value: bool | None) -> str:
    return "" if value is None else str(int(value))


def _told(value: float | None) -> str:
    return UNDEFINED if value is None else repr(value)


def _number(text: str) -> float | None:
    return None if text == UNDEFINED else float(text)


def _call(
    called: str,
    score: str,
    dice: Mapping[str, float | None],
    surfaces: Mapping[str, SurfaceAgreement],
    line: Mapping[str, str],
    prefix: str = "",
) -> Call:
    said = line.get(f"{prefix}{PROBABILITY}")  # not in runs of earlier releases
    return Call(called == "1", float(score), dice, surfaces, float(said) if said else None)
