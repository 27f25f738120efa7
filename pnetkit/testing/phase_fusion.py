"""Checks of a phase fusion."""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from pnetkit.errors import MissingPhaseError
from pnetkit.interfaces import PhaseFusion
from pnetkit.testing.checks import Check, builder, named_checks, require
from pnetkit.types import CaseFinding, PhaseFinding

PHASES = ("arterial", "venous")
SCORES = (0.0, 0.5, 0.999, 1.0, 3.0)


def phase_fusion_checks(
    plugin: str | Callable[..., Any],
    *,
    params: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Check]:
    """Give the checks of a phase fusion, by its registered name or its callable, with its parameters."""
    name, build = builder("phase-fusion", plugin, params or {})
    checks: dict[str, Callable[[], None]] = {
        "interface": lambda: require(isinstance(build(), PhaseFusion), "has no method fuse"),
        "findings": lambda: _findings(build()),
        "argument_is_left_alone": lambda: _argument(build()),
        "order_of_phases": lambda: _order(build()),
        "units_of_thresholds": lambda: _units(build()),
        "missing_phase": lambda: _missing(build()),
        "no_phase": lambda: _none(build()),
        "one_phase": lambda: _one(build()),
    }
    return named_checks(name, checks, expected_failures or {}, build)


def _given(scores: Mapping[str, float], *, threshold: float = 1.0) -> dict[str, PhaseFinding]:
    return {phase: PhaseFinding(phase, score * threshold, threshold, {}) for phase, score in scores.items()}


def _all_pairs() -> list[dict[str, float]]:
    return [dict(zip(PHASES, scores, strict=True)) for scores in product(SCORES, repeat=2)]


def _findings(fusion: PhaseFusion) -> None:
    for scores in _all_pairs():
        given = _given(scores)
        found: Any = fusion.fuse("case", given, expected=PHASES)
        require(isinstance(found, CaseFinding), f"{scores}: gives a {type(found).__name__}, wanted a CaseFinding")
        require(found.case_id == "case", f"{scores}: gives the case {found.case_id!r}")
        require(found.abnormal == (found.score >= 1), f"{scores}: the decision is not score >= 1")
        abnormal = {phase for phase, finding in given.items() if finding.abnormal}
        require(
            set(found.fired) <= abnormal, f"{scores}: names {found.fired} as fired, abnormal are {sorted(abnormal)}"
        )
        require(found.missing == (), f"{scores}: names {found.missing} as missing, and both are there")
        require(set(found.findings) == set(given), f"{scores}: keeps the findings {sorted(found.findings)}")


def _argument(fusion: PhaseFusion) -> None:
    given = _given({"arterial": 0.5, "venous": 2.0})
    kept = dict(given)
    fusion.fuse("case", given, expected=PHASES)
    require(given == kept, "changes the findings that it was given")


def _order(fusion: PhaseFusion) -> None:
    for scores in _all_pairs():
        one = fusion.fuse("case", _given(scores), expected=PHASES)
        turned = dict(reversed(_given(scores).items()))
        two = fusion.fuse("case", turned, expected=PHASES)
        require((one.abnormal, one.score) == (two.abnormal, two.score), f"{scores}: decides otherwise in another order")


def _units(fusion: PhaseFusion) -> None:
    for scores in _all_pairs():
        one = fusion.fuse("case", _given(scores), expected=PHASES)
        two = fusion.fuse("case", _given(scores, threshold=8.0), expected=PHASES)
        same = one.abnormal == two.abnormal
        require(same, f"{scores}: decides otherwise when scores and thresholds are eight times as large")


def _missing(fusion: PhaseFusion) -> None:
    """Decide without a phase and name it, or refuse with MissingPhaseError."""
    for phase in PHASES:
        for score in SCORES:
            try:
                found = fusion.fuse("case", _given({phase: score}), expected=PHASES)
            except MissingPhaseError:
                continue  # to refuse the case is one of the two right answers
            (other,) = set(PHASES) - {phase}
            require(found.missing == (other,), f"only {phase}: names {found.missing} as missing, wanted ({other!r},)")


def _none(fusion: PhaseFusion) -> None:
    try:
        found = fusion.fuse("case", {}, expected=PHASES)
    except MissingPhaseError:
        return
    require(False, f"no phase at all: answers abnormal={found.abnormal}, wanted MissingPhaseError")


def _one(fusion: PhaseFusion) -> None:
    for score in SCORES:
        found = fusion.fuse("case", _given({"venous": score}), expected=("venous",))
        require(found.missing == (), f"one phase, and it is there: names {found.missing} as missing")
