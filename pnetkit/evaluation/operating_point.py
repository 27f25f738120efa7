"""Choose thresholds for a target rate of the fused decision, on other cases than those they are applied to.

OR of two phases raises false positives, so thresholds of phases cannot be chosen one by one: they are searched jointly,
for the fused decision. For the cases of a fold they are chosen on the cases of the other folds, each scored by the
network that had not seen it. The paper's thresholds were chosen on the folds that they were scored on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from pnetkit.types import PhaseFinding

Findings = Mapping[str, PhaseFinding]
Decide = Callable[[Findings], bool | None]
"""Fuses the findings of a case; None where the fusion refuses."""

MOST_CANDIDATES = 40
"""Thresholds that are tried for a phase: between observed scores, thinned to quantiles where there are more."""


@dataclass(frozen=True, slots=True)
class Target:
    """Say what the fused decision has to reach on the choosing cases."""

    rate: Literal["sensitivity", "specificity"]
    at_least: float


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Hold factors on each phase's threshold, and what they came to on the choosing cases.

    `reached` is False where no thresholds reach the target; then those that come closest are taken.
    """

    factors: Mapping[str, float]
    sensitivity: float
    specificity: float
    reached: bool


def choose_operating_point(
    cases: Sequence[tuple[Findings, bool]], decide: Decide, target: Target, phases: Sequence[str]
) -> OperatingPoint | None:
    """Find the factors with which the fused decision reaches the target, and the other rate is best.

    `cases` are findings with diagnoses. Of equally good factors those nearest to 1 win, in the order of `phases`. None
    without abnormal or without normal cases.
    """
    if len({abnormal for _, abnormal in cases}) < 2:  # noqa: PLR2004
        return None
    best: tuple[tuple[float, ...], OperatingPoint] | None = None
    for values in product(*(_candidates([f[p].relative_score for f, _ in cases if p in f]) for p in phases)):
        factors = dict(zip(phases, values, strict=True))
        sensitivity, specificity = _rates(cases, decide, factors)
        aimed, other = (sensitivity, specificity) if target.rate == "sensitivity" else (specificity, sensitivity)
        reached = aimed >= target.at_least - 1e-12
        distance = sum(abs(np.log(value)) for value in values)
        order = (float(reached), other if reached else aimed, aimed if reached else other, -float(distance))
        if best is None or order > best[0]:
            best = (order, OperatingPoint(factors, sensitivity, specificity, reached))
    return best[1] if best else None


def at_operating_point(findings: Findings, factors: Mapping[str, float]) -> dict[str, PhaseFinding]:
    """Give findings with their thresholds multiplied by the phases' factors."""
    return {
        phase: PhaseFinding(phase, f.score, f.threshold * factors.get(phase, 1.0), f.measurements, f.flags)
        for phase, f in findings.items()
    }


def _rates(cases: Sequence[tuple[Findings, bool]], decide: Decide, factors: Mapping[str, float]) -> tuple[float, float]:
    calls = [(decide(at_operating_point(findings, factors)), abnormal) for findings, abnormal in cases]
    on_abnormal = [called for called, abnormal in calls if abnormal and called is not None]
    on_normal = [called for called, abnormal in calls if not abnormal and called is not None]
    sensitivity = sum(on_abnormal) / len(on_abnormal) if on_abnormal else 0.0
    specificity = on_normal.count(False) / len(on_normal) if on_normal else 0.0
    return sensitivity, specificity


def _candidates(scores: Sequence[float]) -> list[float]:
    """Give thresholds between the observed scores, one below and one above all, and 1: the recipe's own."""
    values = np.unique(np.array([score for score in scores if score > 0], dtype=np.float64))
    if values.size == 0:
        return [1.0]
    between = np.sqrt(values[1:] * values[:-1])
    found = np.concatenate([[values[0] / 2], between, [values[-1] * 2]])
    if found.size > MOST_CANDIDATES:
        found = np.quantile(found, np.linspace(0, 1, MOST_CANDIDATES), method="nearest")
    return sorted({1.0, *found.tolist()})
