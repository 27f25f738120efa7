"""`lesions.csv` of a run: every reference tumor and every false positive, written and read back."""

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pnetkit.evaluation.lesions import Lesion, LesionMatch
from pnetkit.evaluation.summary import CaseRow
from pnetkit.files import write_atomically

LESIONS = "lesions.csv"
"""The file."""

COLUMNS = ("case_id", "phase", "criterion", "kind", "voxels", "diameter_mm", "confidence", "iou", "volume_mm3")
LESION, FALSE_POSITIVE = "lesion", "false positive"


def write_lesions(folder: Path, rows: Sequence[CaseRow]) -> None:
    """Write one line for each reference tumor and each predicted one that matches none, by phase and criterion."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        for phase, found in row.phases.items():
            for criterion, match in (found.lesions or {}).items():
                place = {"case_id": row.case_id, "phase": phase, "criterion": criterion}
                writer.writerows(
                    {**place, "kind": LESION, **asdict(lesion), **_volume(lesion.voxels, match)}
                    for lesion in match.lesions
                )
                writer.writerows(
                    {**place, "kind": FALSE_POSITIVE, "confidence": voxels, **_volume(voxels, match)}
                    for voxels in match.false_positives
                )
    write_atomically(folder / LESIONS, text.getvalue().encode())


def read_lesions(folder: Path) -> dict[tuple[str, str, str], LesionMatch]:
    """Read the lesions of a run by case, phase and criterion; scans without any line are not in it.

    Raises OSError and ValueError as reading does.
    """
    rows = csv.DictReader(io.StringIO((folder / LESIONS).read_text(encoding="utf-8")))
    found: defaultdict[tuple[str, str, str], list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        found[row["case_id"], row["phase"], row["criterion"]].append(row)
    return {place: _match(lines) for place, lines in found.items()}


def _volume(voxels: float, match: LesionMatch) -> dict[str, float]:
    return {} if match.voxel_mm3 is None else {"volume_mm3": round(voxels * match.voxel_mm3, 6)}


def _match(rows: Sequence[dict[str, str]]) -> LesionMatch:
    first = rows[0]
    lesions = [row for row in rows if row["kind"] == LESION]
    wrong = [row for row in rows if row["kind"] != LESION]
    return LesionMatch(
        tuple(
            Lesion(int(row["voxels"]), float(row["diameter_mm"]), float(row["confidence"]), float(row["iou"]))
            for row in lesions
        ),
        tuple(float(row["confidence"]) for row in wrong),
        float(first["volume_mm3"]) / float(first["voxels"] or first["confidence"]) if first.get("volume_mm3") else None,
    )
