"""Fuse the phases of every case; a fusion that learns does so for each fold on the cases of all other folds.

The findings of a case were made by the networks of its own fold, which had not seen it. So what a fold's fusion learns
from is out of fold for the networks behind it, and neither the case to be decided nor its fold is among it.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pnetkit.cohort.check import file_digest
from pnetkit.errors import Fault, MissingPhaseError, PnetkitError, TrainingError
from pnetkit.evaluation.operating_point import Findings
from pnetkit.evaluation.summary import CaseRow
from pnetkit.interfaces import PhaseFusion, TrainedPhaseFusion
from pnetkit.pipeline.code_change import made_with
from pnetkit.pipeline.drafting import derived_seed
from pnetkit.pipeline.plugins import build

FUSION = "fusion"
"""The folder of a run, or of a model, in which a fitted fusion lies."""


@dataclass(frozen=True, slots=True)
class FittedFusion:
    """Hold what was fitted on so many cases, so many of them abnormal; `fusion` is None where `fault` says why."""

    fusion: TrainedPhaseFusion | None
    cases: int
    abnormal: int
    seed: int
    fault: str = ""


def fuse_rows(
    rows: Sequence[CaseRow], identity: Mapping[str, Any], phases: tuple[str, ...], *, seed: int
) -> tuple[list[CaseRow], dict[int, FittedFusion]]:
    """Give the rows with their phases fused, and what was fitted for each fold; nothing where the fusion is a rule.

    Cases that lack a phase which the fusion does not do without, and the cases of folds for which nothing could be
    learned, fail with the reason. `seed` is the recipe's.
    """
    fusion: PhaseFusion = build(identity)
    fitted: dict[int, FittedFusion] = {}
    if isinstance(fusion, TrainedPhaseFusion):
        for fold in sorted({row.fold for row in rows if row.fold is not None}):
            others = [
                ({phase: found.finding for phase, found in row.phases.items()}, row.abnormal)
                for row in rows
                if row.status == "ok" and row.fold != fold and row.abnormal is not None and row.phases
            ]
            fitted[fold] = _fitted(identity, others, phases, derived_seed(seed, "fuse", fold))
    return [_fused(row, fusion, fitted, phases) for row in rows], fitted


def fit_fusion(
    identity: Mapping[str, Any], cases: Sequence[tuple[Findings, bool]], phases: tuple[str, ...], *, seed: int
) -> TrainedPhaseFusion:
    """Fit a fusion on findings with diagnoses.

    Raises TrainingError where there are no normal or no abnormal ones; and whatever the fusion raises.
    """
    fusion = build(identity)
    if not isinstance(fusion, TrainedPhaseFusion):
        raise TypeError(f"{identity['plugin']} is not a fusion that can be fitted")
    missing = _missing_diagnosis([abnormal for _, abnormal in cases])
    if missing:
        raise TrainingError(f"{identity['plugin']!r} learns from normal and abnormal cases, and {missing} was decided")
    fusion.fit([dict(found) for found, _ in cases], [called for _, called in cases], expected=phases, seed=seed)
    return fusion


def fold_faults(plugin: str, diagnoses: Mapping[str, bool | None], folds: Mapping[str, int]) -> list[Fault]:
    """Find the folds whose other folds lack a diagnosis, before anything is trained for them. By ids of cases."""
    faults = []
    for fold in sorted({folds[case] for case in diagnoses}):
        missing = _missing_diagnosis(
            [bool(d) for case, d in diagnoses.items() if d is not None and folds[case] != fold]
        )
        if missing:
            message = (
                f"{plugin!r} learns from the cases of the other folds, and {missing} is among them. Deal the cases out "
                f"otherwise (cohort.folds, a fold column), or choose a fusion that does not learn"
            )
            faults.append(Fault(f"fusion, fold {fold}", message))
    return faults


def fusion_in_words(plugin: str, fitted: Mapping[int, FittedFusion]) -> str:
    """Say where a run's fusion learned, for the tables; empty where it is a rule."""
    if not fitted:
        return ""
    counts = sorted(found.cases for found in fitted.values())
    number = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    failed = sum(found.fusion is None for found in fitted.values())
    said = f" For {failed} of {len(fitted)} folds it could not." if failed else ""
    return (
        f"Fusion: {plugin}, learned for each fold from the findings and diagnoses of the other folds' cases ({number} "
        f"cases), none of them its own.{said}"
    )


def write_fitted(folder: Path, identity: Mapping[str, Any], fitted: Mapping[int, FittedFusion]) -> dict[str, Any]:
    """Write each fold's fusion into the run's folder, and give what `run.json` says of it."""
    target = folder / FUSION
    if target.exists():  # of an earlier call of the same run
        shutil.rmtree(target)
    record = {}
    for fold, found in fitted.items():
        files = {}
        if found.fusion is not None:
            files = saved(found.fusion, target / f"fold_{fold}")
        record[str(fold)] = described(found, identity) | {"fault": found.fault, "files": files}
    return record


def saved(fusion: TrainedPhaseFusion, folder: Path) -> dict[str, str]:
    """Let a fusion save itself into a new folder, and give the digest of each file."""
    folder.mkdir(parents=True)
    fusion.save(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def described(found: FittedFusion, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a record says of a fitted fusion: on how many cases, with which seed and which source."""
    return {
        "cases": found.cases,
        "abnormal": found.abnormal,
        "seed": found.seed,
        "made_with": made_with(identity),
    }


def _fitted(
    identity: Mapping[str, Any], cases: Sequence[tuple[Findings, bool]], phases: tuple[str, ...], seed: int
) -> FittedFusion:
    abnormal = sum(called for _, called in cases)
    try:
        return FittedFusion(fit_fusion(identity, cases, phases, seed=seed), len(cases), abnormal, seed)
    except PnetkitError as error:
        return FittedFusion(None, len(cases), abnormal, seed, str(error))


def _fused(row: CaseRow, rule: PhaseFusion, fitted: Mapping[int, FittedFusion], phases: tuple[str, ...]) -> CaseRow:
    if row.status != "ok":
        return row
    fusion = rule
    if fitted and row.fold is not None:
        own = fitted[row.fold]
        if own.fusion is None:
            return replace(row, status="failed", reason=f"the fusion of fold {row.fold} has not learned: {own.fault}")
        fusion = own.fusion
    findings = {phase: found.finding for phase, found in row.phases.items()}
    try:
        return replace(row, fused=fusion.fuse(row.case_id, findings, expected=phases))
    except MissingPhaseError as error:
        return replace(row, status="failed", reason=str(error))


def _missing_diagnosis(diagnoses: Sequence[bool]) -> str:
    """Name the diagnosis that is not there; empty where both are."""
    absent = [word for word, value in (("normal", False), ("abnormal", True)) if value not in diagnoses]
    return f"no {' and no '.join(absent)} case" if absent else ""
