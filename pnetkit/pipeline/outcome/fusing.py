"""Fuse the phases of every case; a fusion that learns does so for each fold on the cases of all other folds.

The findings of a case were made by the networks of its own fold, which had not seen it. So what a fold's fusion learns
from is out of fold for the networks behind it, and neither the case to be decided nor its fold is among it.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pnetkit.errors import MissingPhaseError, PnetkitError
from pnetkit.evaluation.operating_point import Findings
from pnetkit.evaluation.summary import CaseRow
from pnetkit.interfaces import PhaseFusion, ProbabilityPhaseFusion, TrainedPhaseFusion
from pnetkit.method.fusion import FUSION, fit_fusion, saved
from pnetkit.method.plugins import build
from pnetkit.method.seeds import plugin_seed
from pnetkit.pipeline.outcome.attempts import Attempts
from pnetkit.sources import made_with
from pnetkit.types import CaseFinding


@dataclass(frozen=True, slots=True)
class FittedFusion:
    """Hold what was fitted on so many cases, so many of them abnormal; `fusion` is None where `fault` says why."""

    fusion: TrainedPhaseFusion | None
    cases: int
    abnormal: int
    seed: int
    fault: str = ""


def fuse_rows(
    rows: Sequence[CaseRow],
    identity: Mapping[str, Any],
    phases: tuple[str, ...],
    *,
    seed: int,
    attempts: Attempts,
) -> tuple[list[CaseRow], dict[int, FittedFusion]]:
    """Give the rows with their phases fused, and what was fitted for each fold; nothing where the fusion is a rule.

    Cases that lack a phase which the fusion does not do without, and the cases of folds for which nothing could be
    learned, fail with the reason; so does a case at which the fusion raises, with a traceback among the `attempts`.
    `seed` is the recipe's.
    """
    fusion: PhaseFusion = build(identity)
    fitted: dict[int, FittedFusion] = {}
    if isinstance(fusion, TrainedPhaseFusion):
        for fold in sorted({row.fold for row in rows if row.fold is not None}):
            others = [
                ({phase: found.finding for phase, found in row.phases.items()}, row.abnormal)
                for row in rows
                if row.status == "ok"
                and row.fold != fold
                and row.abnormal is not None
                and row.phases
                and not row.held_out
            ]
            fitted[fold] = _fitted(identity, others, phases, plugin_seed(seed, "fuse", fold), attempts, fold)
    return [_fused(row, fusion, fitted, phases, attempts) for row in rows], fitted


def probability_of(fusion: PhaseFusion, fused: CaseFinding) -> float | None:
    """Give the probability that a fusion says of its finding; None where its score is none.

    Raises ValueError for what is no probability.
    """
    if not isinstance(fusion, ProbabilityPhaseFusion):
        return None
    said = float(fusion.probability(fused))
    if not 0 <= said <= 1:
        raise ValueError(f"a probability lies from 0 to 1, the fusion says {said}")
    return said


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
            files = saved(found.fusion, target / f"fold_{fold}", identity)
        record[str(fold)] = described(found, identity) | {"fault": found.fault, "files": files}
    return record


def described(found: FittedFusion, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a record says of a fitted fusion: on how many cases, with which seed and which source."""
    return {
        "cases": found.cases,
        "abnormal": found.abnormal,
        "seed": found.seed,
        "made_with": made_with(identity),
    }


def _fitted(
    identity: Mapping[str, Any],
    cases: Sequence[tuple[Findings, bool]],
    phases: tuple[str, ...],
    seed: int,
    attempts: Attempts,
    fold: int,
) -> FittedFusion:
    abnormal = sum(called for _, called in cases)
    try:
        return FittedFusion(fit_fusion(identity, cases, phases, seed=seed), len(cases), abnormal, seed)
    except PnetkitError as error:
        if attempts.raises:
            raise
        return FittedFusion(None, len(cases), abnormal, seed, str(error))
    except Exception as error:  # noqa: BLE001  # a plugin may raise anything; the other folds have their fusions
        attempts.note(f"fitting the fusion of fold {fold}", error)
        return FittedFusion(None, len(cases), abnormal, seed, f"{type(error).__name__}: {error}")


def _fused(
    row: CaseRow,
    rule: PhaseFusion,
    fitted: Mapping[int, FittedFusion],
    phases: tuple[str, ...],
    attempts: Attempts,
) -> CaseRow:
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
        fused = fusion.fuse(row.case_id, findings, expected=phases)
        return replace(row, fused=fused, probability=probability_of(fusion, fused))
    except MissingPhaseError as error:
        return replace(row, status="failed", reason=str(error))
    except Exception as error:  # noqa: BLE001  # a plugin may raise anything; the other cases have their decisions
        attempts.note(f"fusing {row.case_id}", error)
        return replace(row, status="failed", reason=f"the fusion failed: {type(error).__name__}: {error}")
