"""Fusion rules: OR (the paper, Section 3.3), AND, maximum, mean, noisy-or, k of n, a single phase.

All work on scores in units of their thresholds, so that rules and networks fuse alike: a phase is abnormal from 1 on,
and so is the case.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from pnetkit.errors import MissingPhaseError
from pnetkit.types import CaseFinding, PhaseFinding

Missing = Annotated[
    Literal["present", "refuse"],
    Field(description="With a phase missing: decide on those that are there, or refuse the case."),
]
Findings = Mapping[str, PhaseFinding]


class Or:
    """Call a case abnormal if any phase is (the paper); its score is the largest.

    A missing phase is named in the finding, and the others decide; or the case is refused.
    """

    def __init__(self, *, missing: Missing = "present") -> None:
        self._missing = missing

    def fuse(self, case_id: str, findings: Findings, *, expected: tuple[str, ...]) -> CaseFinding:
        """Give the case's finding."""
        return fuse_present(case_id, findings, expected, self._missing, max)


class And:
    """Call a case abnormal if every phase is; its score is the smallest.

    A missing phase is named in the finding, and the others decide; or the case is refused.
    """

    def __init__(self, *, missing: Missing = "present") -> None:
        self._missing = missing

    def fuse(self, case_id: str, findings: Findings, *, expected: tuple[str, ...]) -> CaseFinding:
        """Give the case's finding."""
        return fuse_present(case_id, findings, expected, self._missing, min)


class Max:
    """Compare the largest score with a threshold of its own; at 1 it is OR.

    A missing phase is named in the finding, and the others decide; or the case is refused.
    """

    def __init__(
        self,
        *,
        threshold: Annotated[float, Field(gt=0, description="In units of the phases' thresholds.")] = 1.0,
        missing: Missing = "present",
    ) -> None:
        self._threshold, self._missing = threshold, missing

    def fuse(self, case_id: str, findings: Findings, *, expected: tuple[str, ...]) -> CaseFinding:
        """Give the case's finding."""
        return fuse_present(case_id, findings, expected, self._missing, lambda scores: max(scores) / self._threshold)


class Mean:
    """Compare the mean score with a threshold.

    A missing phase is named in the finding, and the mean is that of the others; or the case is refused.
    """

    def __init__(
        self,
        *,
        threshold: Annotated[float, Field(gt=0, description="In units of the phases' thresholds.")] = 1.0,
        missing: Missing = "present",
    ) -> None:
        self._threshold, self._missing = threshold, missing

    def fuse(self, case_id: str, findings: Findings, *, expected: tuple[str, ...]) -> CaseFinding:
        """Give the case's finding."""

        def mean(scores: Sequence[float]) -> float:
            return sum(sorted(scores)) / len(scores) / self._threshold  # sorted: a sum must not depend on the order

        return fuse_present(case_id, findings, expected, self._missing, mean)


class NoisyOr:
    """Call a case abnormal if it is so by 1 - prod(1 - p) of its phases' probabilities p (noisy-or, Pearl 1988).

    A phase at r times its threshold has p = 1 - 2^(-r^sharpness): 0 without any finding, 1/2 at its threshold, rising
    to 1. So a phase at its threshold alone is at the decision threshold of 1/2, one above it is enough, as in OR, and
    phases below theirs add up. With sharpness 1 they do as counts of independent signs would (p is the chance of at
    least one, at a rate of r ln 2): two at half their thresholds are enough. Larger ones come closer to OR.

    The score is the r that one phase alone would need for the case's probability, over that of the threshold:
    (sum of r^sharpness)^(1/sharpness) at 1/2. A missing phase is named in the finding and says nothing for or against;
    or the case is refused.
    """

    def __init__(
        self,
        *,
        sharpness: Annotated[float, Field(ge=1, description="How little phases below their thresholds count.")] = 1.0,
        threshold: Annotated[float, Field(gt=0, lt=1, description="Least probability of an abnormal case.")] = 0.5,
        missing: Missing = "present",
    ) -> None:
        self._sharpness, self._threshold, self._missing = sharpness, threshold, missing

    def fuse(self, case_id: str, findings: Findings, *, expected: tuple[str, ...]) -> CaseFinding:
        """Give the case's finding."""

        def equivalent(scores: Sequence[float]) -> float:
            largest = max(scores)
            if largest == 0:
                return 0.0
            # In units of the largest, so that a phase alone keeps its score to the bit; fsum knows no order.
            total = math.fsum((score / largest) ** self._sharpness for score in scores)
            return largest * math.pow(total / -math.log2(1 - self._threshold), 1 / self._sharpness)

        return fuse_present(case_id, findings, expected, self._missing, equivalent)


class KOfN:
    """Call a case abnormal if at least k phases are; its score is the k-th largest.

    A missing phase is named in the finding, and k of the others decide; with fewer than k of them the case is refused.
    """

    def __init__(
        self,
        *,
        k: Annotated[int, Field(ge=1, description="Phases that have to be abnormal.")] = 2,
        missing: Missing = "present",
    ) -> None:
        self._k, self._missing = k, missing
        self.deviations = {"one_phase": f"{k} of one phase cannot be, and are refused"} if k > 1 else {}

    def fuse(self, case_id: str, findings: Findings, *, expected: tuple[str, ...]) -> CaseFinding:
        """Give the case's finding."""
        if self._k > len(expected):
            raise ValueError(f"k is {self._k}, but the recipe has {len(expected)} phases ({', '.join(expected)})")
        if len(findings) < self._k:
            raise MissingPhaseError(
                f"Case {case_id} has {len(findings)} of the {self._k} phases that k-of-n needs to decide "
                f"(there: {', '.join(findings) or 'none'}). Add the missing scans, or fuse with 'or'."
            )
        return fuse_present(case_id, findings, expected, self._missing, lambda scores: sorted(scores)[-self._k])


class Single:
    """Decide on one phase alone; the others are reported, not used.

    A case without that phase is refused.
    """

    def __init__(self, *, phase: Annotated[str, Field(min_length=1, description="The phase.")] = "venous") -> None:
        self._phase = phase

    def fuse(self, case_id: str, findings: Findings, *, expected: tuple[str, ...]) -> CaseFinding:
        """Give the case's finding."""
        if self._phase not in expected:
            raise ValueError(
                f"phase {self._phase!r} is none of {', '.join(expected)}; set fusion.params.phase to one of them"
            )
        if self._phase not in findings:
            raise MissingPhaseError(
                f"Case {case_id} has no {self._phase} scan, which alone decides here. Add it, or leave the case out."
            )
        return fuse_present(case_id, findings, expected, "present", lambda _: findings[self._phase].relative_score)


def fuse_present(
    case_id: str,
    findings: Findings,
    expected: tuple[str, ...],
    missing_policy: str,
    score_of: Callable[[Sequence[float]], float],
) -> CaseFinding:
    """Apply the policy for missing phases, score the others, and put the finding together."""
    strange = sorted(set(findings) - set(expected))
    if strange:
        raise ValueError(f"case {case_id} has findings of {', '.join(strange)}, expected were {', '.join(expected)}")
    present = [phase for phase in expected if phase in findings]
    missing = tuple(phase for phase in expected if phase not in findings)
    if not present or (missing and missing_policy == "refuse"):
        raise MissingPhaseError(
            f"Case {case_id} lacks {', '.join(missing)}. Add the scans, leave the case out, or set the fusion's "
            f"'missing' to 'present'."
        )
    score = score_of([findings[phase].relative_score for phase in present])
    return CaseFinding(
        case_id=case_id,
        abnormal=score >= 1,
        score=score,
        fired=tuple(phase for phase in present if findings[phase].abnormal),
        findings={phase: findings[phase] for phase in present},
        missing=missing,
    )
