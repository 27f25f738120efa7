"""Read finished runs back, and tell whether they may be compared."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pnetkit.errors import Fault, RunError, StoreError
from pnetkit.evaluation.comparison import Call, CaseTruth
from pnetkit.evaluation.lesions import Lesion, LesionMatch
from pnetkit.pipeline.record import RUN_RECORD
from pnetkit.pipeline.stages.measure import CRITERIA

OVERLAPS = ("pancreas", "tumor", "duct")


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """Hold a run as its folder tells it: its record, what is true of its cases, and its calls, fused and by phase."""

    name: str
    folder: Path
    record: Mapping[str, Any]
    truth: Mapping[str, CaseTruth]
    fused: Mapping[str, Call]
    by_phase: Mapping[str, Mapping[str, Call]]
    lesions: Mapping[str, Mapping[str, Sequence[LesionMatch]]]
    """By phase and criterion, one match for each scan with a reference label."""

    @property
    def cohort(self) -> str:
        """Give the cohort in words."""
        return str(self.record["cohort"])


def is_run(folder: Path) -> bool:
    """Tell whether a folder holds a finished run."""
    return (folder / RUN_RECORD).is_file()


def read_run(folder: Path) -> FinishedRun:
    """Read a run's folder.

    Raises:
        StoreError: it holds no finished run, or one that is damaged or was written by another release.
    """
    try:
        record = json.loads((folder / RUN_RECORD).read_text(encoding="utf-8"))
        text = (folder / "cases.csv").read_text(encoding="utf-8")
        rows = list(csv.DictReader(io.StringIO(text)))
        truth = {case: CaseTruth(of["abnormal"], of["patient"]) for case, of in record["cases"].items()}
        decided = [row for row in rows if row["status"] == "ok"]
        by_phase = {phase: _phase_calls(rows, phase) for phase in record["inputs"]}
        fused = {row["case_id"]: _call(row["called_abnormal"], row["score"], {}) for row in decided}
        lesions = {phase: _lesions(folder, record, phase, by_phase[phase]) for phase in record["inputs"]}
        return FinishedRun(str(record["recipe"]), folder, record, truth, fused, by_phase, lesions)
    except FileNotFoundError as error:
        raise StoreError(f"{folder}: holds no finished run ({Path(error.filename).name} is missing).") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{folder}: its files cannot be read as a run ({error!r}). Run its recipe again.") from error


def differences(runs: Sequence[FinishedRun]) -> list[Fault]:
    """Say in what the runs' cohorts, folds or label policies differ from the first one's."""
    faults: list[Fault] = []
    first = runs[0]
    for other in runs[1:]:
        where = f"{other.name} and {first.name}"
        faults += [Fault(where, message) for message in _differences(first.record, other.record)]
    return faults


def require_comparable(runs: Sequence[FinishedRun]) -> None:
    """Raise RunError listing every difference that makes a comparison one of cohorts and not of methods."""
    faults = differences(runs)
    if faults:
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise RunError(
            f"These runs cannot be compared:\n{lines}\nRun them on the same cohort, folds and labels; or compare "
            f"--anyway, and the table says so."
        )


def _differences(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    found = []
    one, two = first["cases"], other["cases"]
    for label, missing in (("lacks", sorted(one.keys() - two.keys())), ("adds", sorted(two.keys() - one.keys()))):
        if missing:
            found.append(f"the second of them {label} {len(missing)} cases ({_few(missing)})")
    shared = sorted(one.keys() & two.keys())
    for what, part in (("diagnoses", "abnormal"), ("patients", "patient"), ("folds", "fold")):
        of = [case for case in shared if one[case][part] != two[case][part]]
        if of:
            found.append(f"the {what} of {len(of)} cases differ ({_few(of)})")
    for kind in ("image", "label"):
        of = [case for case in shared if _files_differ(one[case], two[case], kind)]
        if of:
            found.append(f"the {kind}s of {len(of)} cases differ ({_few(of)})")
    if first["labels"] != other["labels"]:
        found.append(f"the label policies differ: {other['labels']} and {first['labels']}")
    return found


def _files_differ(one: Mapping[str, Any], two: Mapping[str, Any], kind: str) -> bool:
    phases = one["files"].keys() & two["files"].keys()  # an arm may use fewer phases
    return any(one["files"][phase][kind] != two["files"][phase][kind] for phase in phases)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")  # noqa: PLR2004


def _phase_calls(rows: Sequence[Mapping[str, str]], phase: str) -> dict[str, Call]:
    calls = {}
    for row in rows:
        if row[f"{phase}_score"] == "":
            continue
        overlaps = {name: row[f"{phase}_{name}_dice"] for name in OVERLAPS}
        dice = {name: None if text == "undefined" else float(text) for name, text in overlaps.items() if text}
        calls[row["case_id"]] = _call(row[f"{phase}_called_abnormal"], row[f"{phase}_score"], dice)
    return calls


def _lesions(
    folder: Path, record: Mapping[str, Any], phase: str, calls: Mapping[str, Call]
) -> dict[str, Sequence[LesionMatch]]:
    """Read the lesions of one phase; a scan with a reference label but no tumor counts as one without lesions."""
    rows = csv.DictReader(io.StringIO((folder / "lesions.csv").read_text(encoding="utf-8")))
    of_phase = [row for row in rows if row["phase"] == phase]
    labeling = record["inputs"][phase][0]
    labeled = [case for case in calls if record["cases"][case]["files"][labeling]["label"] is not None]
    return {
        criterion: [
            _match([row for row in of_phase if row["case_id"] == case and row["criterion"] == criterion])
            for case in labeled
        ]
        for criterion in CRITERIA
    }


def _match(rows: Sequence[Mapping[str, str]]) -> LesionMatch:
    lesions = [row for row in rows if row["kind"] == "lesion"]
    wrong = [row for row in rows if row["kind"] != "lesion"]
    return LesionMatch(
        tuple(
            Lesion(int(row["voxels"]), float(row["diameter_mm"]), float(row["confidence"]), float(row["iou"]))
            for row in lesions
        ),
        tuple(float(row["confidence"]) for row in wrong),
    )


def _call(called: str, score: str, dice: Mapping[str, float | None]) -> Call:
    return Call(called == "1", float(score), dice)
