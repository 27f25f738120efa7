"""From one row for each case to the figures of a run.

Nothing is dropped in silence: a Dice of two empty masks is undefined and counted, so are cases without a reference
label, without a diagnosis, quarantined or failed ones.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any, Literal

from pnetkit.evaluation.calibration import Calibration, calibration
from pnetkit.evaluation.lesions import LesionF1, LesionMatch, lesion_f1
from pnetkit.evaluation.rates import Rate, wilson_rate
from pnetkit.evaluation.roc import auc
from pnetkit.evaluation.surfaces import SurfaceAgreement, SurfaceSummary, summarize_surfaces
from pnetkit.types import CaseFinding, PhaseFinding

Status = Literal["ok", "failed", "quarantined"]


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """Hold one phase of one case: its finding, its voxels by class, and its overlaps.

    `dice` maps pancreas, tumor and duct to a value, or None where both masks are empty; what the reference has no label
    of is not in it, and it is itself None when there is no reference label. `lesions` maps a criterion of detection to
    what was found, `surfaces` is by structure, as `dice` is.
    """

    finding: PhaseFinding
    voxels: Mapping[str, int]
    dice: Mapping[str, float | None] | None
    lesions: Mapping[str, LesionMatch] | None = None
    surfaces: Mapping[str, SurfaceAgreement] | None = None


@dataclass(frozen=True, slots=True)
class CaseRow:
    """Hold one case: truth, fold, what became of it, and its findings where it was decided.

    Nothing may be learned from a case that is `held_out`. `probability` is that of the fused finding, where its score
    can be read as one.
    """

    case_id: str
    abnormal: bool | None
    fold: int | None
    status: Status
    reason: str
    phases: Mapping[str, PhaseRow]
    fused: CaseFinding | None
    held_out: bool = False
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class DiceSummary:
    """Hold mean and standard deviation over cases, and how many there were, were undefined, had no reference."""

    mean: float | None
    sd: float | None
    cases: int
    undefined: int
    without_reference: int


@dataclass(frozen=True, slots=True)
class Decision:
    """Hold how well cases were told apart: counts, rates pooled and by fold, area under the curve."""

    misses: int
    wrong_calls: int
    sensitivity: Rate
    specificity: Rate
    auc: float | None
    sensitivity_by_fold: Mapping[str, Rate]
    specificity_by_fold: Mapping[str, Rate]
    auc_by_fold: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class PhaseMetrics:
    """Hold the figures of one phase: the paper's Table 1, and what reviewers ask for beside it.

    `surfaces` are by group of `GROUPS`, `lesions` by criterion of detection (where volumes are known); `calibration` is
    None where the phase's score is no probability.
    """

    pancreas_normal: DiceSummary
    pancreas_abnormal: DiceSummary
    tumor_abnormal: DiceSummary
    decision: Decision
    missing: int
    surfaces: Mapping[str, SurfaceSummary]
    lesions: Mapping[str, LesionF1]
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class Metrics:
    """Hold the figures of a run: each phase, the fused decision, and what was counted.

    `fused_calibration` is None where the fused score is no probability.
    """

    phases: Mapping[str, PhaseMetrics]
    fused: Decision
    cases: int
    abnormal: int
    normal: int
    unknown: int
    failed: int
    quarantined: int
    undecided: Mapping[str, str]
    fused_calibration: Calibration | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the figures as plain JSON; undefined ones are null."""
        plain: dict[str, Any] = _with_values(asdict(self))
        return plain


GROUPS = {
    "pancreas_normal": ("pancreas", False),
    "pancreas_abnormal": ("pancreas", True),
    "tumor_abnormal": ("tumor", True),
    "duct_abnormal": ("duct", True),
}
"""Whose surfaces are told: which structure, and of which cases (abnormal or not)."""


def summarize(rows: Sequence[CaseRow], phases: Sequence[str]) -> Metrics:
    """Compute the figures of a run from its cases.

    Rates count the decided cases with a known diagnosis; the others are counted beside them, with their reasons.
    """
    decided = [row for row in rows if row.status == "ok" and row.fused is not None]
    by_phase = {}
    for phase in phases:
        there = [row for row in rows if phase in row.phases and row.status != "quarantined"]
        by_phase[phase] = PhaseMetrics(
            pancreas_normal=_dice(there, phase, "pancreas", abnormal=False),
            pancreas_abnormal=_dice(there, phase, "pancreas", abnormal=True),
            tumor_abnormal=_dice(there, phase, "tumor", abnormal=True),
            decision=_decision(
                [(row, f.abnormal, f.relative_score) for row in there for f in [row.phases[phase].finding]]
            ),
            missing=sum(row.status == "ok" and phase not in row.phases for row in rows),
            surfaces={name: _surfaces(there, phase, *group) for name, group in GROUPS.items()},
            lesions=_lesions(there, phase),
            calibration=_calibration([(row, row.phases[phase].finding.probability) for row in there]),
        )
    fused = [(row, row.fused.abnormal, row.fused.score) for row in decided if row.fused is not None]
    known = [row for row in rows if row.status != "quarantined"]
    return Metrics(
        phases=by_phase,
        fused=_decision(fused),
        cases=len(rows),
        abnormal=sum(row.abnormal is True for row in known),
        normal=sum(row.abnormal is False for row in known),
        unknown=sum(row.abnormal is None for row in known),
        failed=sum(row.status == "failed" for row in rows),
        quarantined=sum(row.status == "quarantined" for row in rows),
        undecided={row.case_id: row.reason for row in rows if row.status != "ok"},
        fused_calibration=_calibration([(row, row.probability) for row in decided]),
    )


def _dice(rows: Sequence[CaseRow], phase: str, label: str, *, abnormal: bool) -> DiceSummary:
    group = [row.phases[phase].dice for row in rows if row.abnormal is abnormal]
    referenced = [overlaps[label] for overlaps in group if overlaps is not None and label in overlaps]
    return summarize_dice(referenced, without_reference=len(group) - len(referenced))


def _surfaces(rows: Sequence[CaseRow], phase: str, structure: str, abnormal: bool) -> SurfaceSummary:
    found = [row.phases[phase].surfaces for row in rows if row.abnormal is abnormal]
    return summarize_surfaces([of[structure] for of in found if of is not None and structure in of])


def _lesions(rows: Sequence[CaseRow], phase: str) -> dict[str, LesionF1]:
    by_scan = [found for row in rows if (found := row.phases[phase].lesions) is not None]
    criteria = dict.fromkeys(name for found in by_scan for name in found)
    of = {name: lesion_f1([found[name] for found in by_scan if name in found]) for name in criteria}
    return {name: f1 for name, f1 in of.items() if f1 is not None}


def _calibration(said: Sequence[tuple[CaseRow, float | None]]) -> Calibration | None:
    """Give the calibration over cases of known diagnosis; None where a score is no probability."""
    known = [(p, bool(row.abnormal)) for row, p in said if row.abnormal is not None]
    probabilities = [p for p, _ in known if p is not None]
    if len(probabilities) < len(known):
        return None
    return calibration(probabilities, [truth for _, truth in known])


def summarize_dice(referenced: Sequence[float | None], *, without_reference: int) -> DiceSummary:
    """Give mean and standard deviation over cases with a reference label; None among them are undefined overlaps."""
    values = [value for value in referenced if value is not None]
    return DiceSummary(
        mean=fmean(values) if values else None,
        sd=stdev(values) if len(values) > 1 else None,
        cases=len(values),
        undefined=len(referenced) - len(values),
        without_reference=without_reference,
    )


def _decision(calls: Sequence[tuple[CaseRow, bool, float]]) -> Decision:
    """Count the calls of cases with a known diagnosis: (case, called abnormal, score)."""
    known = [call for call in calls if call[0].abnormal is not None]
    folds = sorted({row.fold for row, _, _ in known if row.fold is not None})
    of_fold = {str(fold): [call for call in known if call[0].fold == fold] for fold in folds}
    sensitivity, specificity = _rates(known)
    return Decision(
        misses=sensitivity.total - sensitivity.successes,
        wrong_calls=specificity.total - specificity.successes,
        sensitivity=sensitivity,
        specificity=specificity,
        auc=_auc(known),
        sensitivity_by_fold={fold: _rates(group)[0] for fold, group in of_fold.items()},
        specificity_by_fold={fold: _rates(group)[1] for fold, group in of_fold.items()},
        auc_by_fold={fold: _auc(group) for fold, group in of_fold.items()},
    )


def _rates(calls: Sequence[tuple[CaseRow, bool, float]]) -> tuple[Rate, Rate]:
    on_abnormal = [called for row, called, _ in calls if row.abnormal]
    on_normal = [called for row, called, _ in calls if not row.abnormal]
    return wilson_rate(sum(on_abnormal), len(on_abnormal)), wilson_rate(on_normal.count(False), len(on_normal))


def _auc(calls: Sequence[tuple[CaseRow, bool, float]]) -> float | None:
    return auc([score for _, _, score in calls], [bool(row.abnormal) for row, _, _ in calls])


def _with_values(value: Any) -> Any:
    """Add to every rate its value, and refuse numbers that JSON has no word for."""
    if isinstance(value, dict):
        plain = {key: _with_values(item) for key, item in value.items()}
        if plain.keys() == {"successes", "total", "low", "high"}:
            share = plain["successes"] / plain["total"] if plain["total"] else None
            return {"value": share, **plain}
        return plain
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"a metric became {value}")
    return value
