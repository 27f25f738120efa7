"""Write a run's folder: the recipe with all defaults, every case, the figures, the tables, every segmentation."""

import csv
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pnetkit.errors import StoreError
from pnetkit.evaluation.summary import CaseRow, Metrics
from pnetkit.imaging.nifti import write_atomically
from pnetkit.pipeline.plan import Plan
from pnetkit.pipeline.stages.segment import AGREEMENT, LABELS
from pnetkit.pipeline.store import Store, write_json

RUN_RECORD = "run.json"
"""The file that makes a folder a run's; it is written last."""


def claim_folder(folder: Path, run_key: str) -> None:
    """Make sure that a run may be written here: a new or empty folder, or one of the very same run.

    Raises:
        StoreError: the folder holds something else; nothing is overwritten.
    """
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder}: is a file; choose another --out.")
    record = folder / RUN_RECORD
    if record.is_file():
        try:
            known = json.loads(record.read_text(encoding="utf-8")).get("run_key")
        except (OSError, ValueError):
            known = None
        if known == run_key:
            return
        raise StoreError(f"{folder}: holds another run. Choose another --out, or delete the folder.")
    begun = folder / "recipe.yaml"
    if folder.exists() and any(folder.iterdir()) and not begun.is_file():
        raise StoreError(f"{folder}: is not empty and holds no run. Choose another --out.")


def write_cases(path: Path, rows: Sequence[CaseRow], phases: Sequence[str]) -> None:
    """Write one line a case. No patient ids, no paths: the case ids lead back to the cohort's table."""
    columns = ["case_id", "abnormal", "fold", "status", "called_abnormal", "score", "fired", "missing"]
    for phase in phases:
        columns += [
            f"{phase}_{name}"
            for name in (
                "called_abnormal",
                "score",
                "tumor_voxels",
                "duct_voxels",
                "pancreas_dice",
                "tumor_dice",
                "duct_dice",
                "flags",
            )
        ]
    columns.append("reason")
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_cells(row, phases) for row in rows)
    write_atomically(path, text.getvalue().encode())


def write_lesions(path: Path, rows: Sequence[CaseRow]) -> None:
    """Write one line for each reference tumor and each predicted one that matches none, by phase and criterion."""
    columns = ["case_id", "phase", "criterion", "kind", "voxels", "diameter_mm", "confidence", "iou"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        for phase, found in row.phases.items():
            for criterion, match in (found.lesions or {}).items():
                place = {"case_id": row.case_id, "phase": phase, "criterion": criterion}
                writer.writerows({**place, "kind": "lesion", **asdict(lesion)} for lesion in match.lesions)
                writer.writerows(
                    {**place, "kind": "false positive", "confidence": confidence}
                    for confidence in match.false_positives
                )
    write_atomically(path, text.getvalue().encode())


def write_segmentations(folder: Path, plan: Plan, store: Store) -> None:
    """Put every cleaned segmentation (and agreement map) beside the results, named by case and phase."""
    folder.mkdir(parents=True, exist_ok=True)
    for (case_id, phase), nodes in sorted(plan.cases.items()):
        kept = {
            f"{case_id}_{phase}.nii.gz": store.folder("postprocess", nodes.postprocess.key) / LABELS,
            f"{case_id}_{phase}_agreement.nii.gz": store.folder(nodes.segment.stage, nodes.segment.key) / AGREEMENT,
        }
        for name, source in kept.items():
            if source.is_file():
                temporary = folder / f".{name}.tmp"
                shutil.copyfile(source, temporary)
                temporary.replace(folder / name)


def write_run(folder: Path, record: Mapping[str, Any], metrics: Metrics, tables: str) -> None:
    """Write the figures and tables, and last the record that makes the folder a run's."""
    write_json(folder / "metrics.json", metrics.to_json())
    write_atomically(folder / "tables.md", tables.encode())
    write_json(folder / RUN_RECORD, dict(record))


def _cells(row: CaseRow, phases: Sequence[str]) -> dict[str, str]:
    cells = {
        "case_id": row.case_id,
        "abnormal": _flag(row.abnormal),
        "fold": "" if row.fold is None else str(row.fold),
        "status": row.status,
        "reason": row.reason,
    }
    if row.fused is not None:
        cells |= {
            "called_abnormal": _flag(row.fused.abnormal),
            "score": repr(row.fused.score),
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
        for label, value in (found.dice or {}).items():
            cells[f"{phase}_{label}_dice"] = "undefined" if value is None else repr(value)
    return cells


def _flag(value: bool | None) -> str:
    return "" if value is None else str(int(value))
