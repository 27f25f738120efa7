"""Move a run's thresholds to an operating point, fold by fold, chosen on the other folds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pnetkit.errors import MissingPhaseError
from pnetkit.evaluation.operating_point import (
    Findings,
    OperatingPoint,
    Target,
    at_operating_point,
    choose_operating_point,
)
from pnetkit.evaluation.summary import CaseRow
from pnetkit.interfaces import PhaseFusion
from pnetkit.pipeline.outcome.fusing import probability_of
from pnetkit.recipe.models import OperatingPointSettings

FIXED = "Thresholds: the recipe's, the same for every fold."


def tune(
    rows: Sequence[CaseRow], fusion: PhaseFusion, phases: tuple[str, ...], settings: OperatingPointSettings
) -> tuple[list[CaseRow], dict[int, OperatingPoint | None]]:
    """Give the rows decided at thresholds chosen on the other folds, and what was chosen for each fold.

    Cases that were not decided, and folds for which nothing could be chosen (None), stay as they are.
    """
    target = Target(settings.target, settings.at_least)

    def decide(findings: Findings) -> bool | None:
        try:
            return fusion.fuse("", findings, expected=phases).abnormal
        except MissingPhaseError:
            return None

    chosen: dict[int, OperatingPoint | None] = {}
    for fold in sorted({row.fold for row in rows if row.fold is not None}):
        others = [
            (_findings(row), row.abnormal)
            for row in rows
            if row.status == "ok" and row.fold != fold and row.abnormal is not None and not row.held_out
        ]
        chosen[fold] = choose_operating_point(others, decide, target, phases)
    return [_moved(row, chosen, fusion, phases) for row in rows], chosen


EVIDENCE = {
    "in-fold": "The case classifier learned from networks that had seen its training cases.",
    "out-of-fold": "The case classifier learned from networks that had not seen its training cases.",
}
"""What the tables say of a classifier that was trained."""


def thresholds_in_words(settings: OperatingPointSettings | None, chosen: Mapping[int, OperatingPoint | None]) -> str:
    """Say where a run's thresholds come from, for the tables."""
    if settings is None:
        return FIXED
    reached = sum(point is not None and point.reached for point in chosen.values())
    return (
        f"Thresholds: chosen for each fold on the other folds, for a {settings.target} of at least "
        f"{settings.at_least:g} of the fused decision there (reached for {reached} of {len(chosen)} folds)."
    )


def _findings(row: CaseRow) -> Findings:
    return {phase: found.finding for phase, found in row.phases.items()}


def _moved(
    row: CaseRow, chosen: Mapping[int, OperatingPoint | None], fusion: PhaseFusion, phases: tuple[str, ...]
) -> CaseRow:
    point = chosen.get(row.fold) if row.fold is not None else None
    if point is None or row.status != "ok":
        return row
    findings = at_operating_point(_findings(row), point.factors)
    moved = {phase: replace(found, finding=findings[phase]) for phase, found in row.phases.items()}
    fused = fusion.fuse(row.case_id, findings, expected=phases)
    return replace(row, phases=moved, fused=fused, probability=probability_of(fusion, fused))
