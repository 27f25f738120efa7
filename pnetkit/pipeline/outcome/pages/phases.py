"""What was found in one phase of a case: from the store where it is there, else from `cases.csv`."""

from collections.abc import Mapping

from pnetkit.pipeline.outcome.cases_csv import OVERLAPS, UNDEFINED
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.pipeline.outcome.pages.stored import Stored
from pnetkit.pipeline.stages import classify
from pnetkit.report.page.findings import PhaseFound
from pnetkit.store.node import Subject


def phase_found(run: FinishedRun, found: Stored, line: Mapping[str, str], name: str) -> PhaseFound | None:
    """Give the finding of one phase of a case; None where there is none."""
    if line[f"{name}_score"] == "":
        return None
    ref = found.ref(classify.STAGE.name, Subject(name, line["case_id"]))
    measured = {f"{of}_voxels": float(line[f"{name}_{of}_voxels"]) for of in ("tumor", "duct")}
    threshold, factor = None, _factor(run, line, name)
    if ref is not None and found.store is not None:
        finding = classify.read(found.store, ref)
        threshold, measured = finding.threshold * factor, dict(finding.measurements)
    return PhaseFound(
        name=name,
        called=line[f"{name}_called_abnormal"] == "1",
        score=float(line[f"{name}_score"]),
        threshold=threshold,
        factor=factor,
        measurements=measured,
        dice={of: _dice(text) for of in OVERLAPS if (text := line[f"{name}_{of}_dice"])},
        flags=tuple(flag for flag in line[f"{name}_flags"].split(";") if flag),
    )


def _factor(run: FinishedRun, line: Mapping[str, str], name: str) -> float:
    """Give what the fold's operating point multiplies the phase's threshold with."""
    point = (run.record.get("operating_points") or {}).get(line["fold"])
    return float(point["factors"].get(name, 1.0)) if point else 1.0


def _dice(text: str) -> str:
    return text if text == UNDEFINED else f"{float(text):.2f}"
