"""Checks of a phase fusion, trained or not."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pnetkit.errors import MissingPhaseError
from pnetkit.interfaces import PhaseFusion, TrainedPhaseFusion
from pnetkit.testing.checks import LARGEST_SEED, Check, builder, named_checks, require, require_json, require_stored
from pnetkit.types import CaseFinding, PhaseFinding

PHASES = ("arterial", "venous")
SCORES = (0.0, 0.5, 0.999, 1.0, 3.0)

Scores = Mapping[str, float]

TRAINING: Sequence[tuple[Scores, bool]] = (
    ({"arterial": 0.0, "venous": 0.2}, False),
    ({"arterial": 0.6, "venous": 0.0}, False),
    ({"arterial": 1.5, "venous": 0.4}, False),
    ({"arterial": 0.8, "venous": 3.0}, True),
    ({"arterial": 4.0, "venous": 1.2}, True),
    ({"arterial": 0.0, "venous": 6.0}, True),
)
"""Scores and diagnoses of cases that a fusion which learns is fitted on: the two overlap, as they do."""

INCOMPLETE: Sequence[tuple[Scores, bool]] = (*TRAINING, ({"venous": 0.1}, False), ({"arterial": 2.0}, True))
"""The same, with cases that lack a phase."""


def phase_fusion_checks(
    plugin: str | Callable[..., Any],
    *,
    params: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Check]:
    """Give the checks of a phase fusion, by its registered name or its callable, with its parameters.

    One that learns is fitted on made-up findings first; the checks of fitting have nothing to say of a rule.
    """
    name, build = builder("phase-fusion", plugin, params or {})
    checks: dict[str, Callable[[], None]] = {
        "interface": lambda: _interface(build()),
        "findings": lambda: _findings(_ready(build())),
        "argument_is_left_alone": lambda: _argument(build),
        "order_of_phases": lambda: _order(_ready(build())),
        "units_of_thresholds": lambda: _units(_ready(build())),
        "missing_phase": lambda: _missing(_ready(build(), INCOMPLETE)),
        "no_phase": lambda: _none(_ready(build())),
        "one_phase": lambda: _one(_ready(build(), expected=("venous",))),
        "fit_repeats": lambda: _fit_repeats(build),
        "fit_order_of_phases": lambda: _fit_order(build),
        "save_and_load": lambda: _save(build),
    }
    return named_checks(name, checks, expected_failures or {}, build)


def _interface(fusion: Any) -> None:
    require(isinstance(fusion, PhaseFusion), "has no method fuse")
    some = [method for method in ("fit", "save", "load") if hasattr(fusion, method)]
    whole = not some or isinstance(fusion, TrainedPhaseFusion)
    require(whole, f"has {', '.join(some)}, and lacks what else a TrainedPhaseFusion has: it would never be fitted")


def _ready(
    fusion: Any, cases: Sequence[tuple[Scores, bool]] = TRAINING, expected: tuple[str, ...] = PHASES
) -> PhaseFusion:
    """Give the fusion, fitted where it learns."""
    if isinstance(fusion, TrainedPhaseFusion):
        findings = [_given({phase: score for phase, score in of.items() if phase in expected}) for of, _ in cases]
        fusion.fit(findings, [abnormal for _, abnormal in cases], expected=expected, seed=LARGEST_SEED)
    ready: PhaseFusion = fusion
    return ready


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
        given_back = [found.case_id, found.abnormal, found.score, list(found.fired), list(found.missing)]
        require_json(f"{scores}: the finding", given_back)
        require(found.abnormal == (found.score >= 1), f"{scores}: the decision is not score >= 1")
        _require_fired(found, given, str(scores))
        require(found.missing == (), f"{scores}: names {found.missing} as missing, and both are there")
        require(set(found.findings) == set(given), f"{scores}: keeps the findings {sorted(found.findings)}")


def _require_fired(found: CaseFinding, given: Mapping[str, PhaseFinding], what: str) -> None:
    """Hold `fired` to what it is: the phases called abnormal, each once, whether they decided the case or not."""
    abnormal = sorted(phase for phase, finding in given.items() if finding.abnormal)
    require(
        sorted(found.fired) == abnormal, f"{what}: names {found.fired} as fired, the abnormal phases are {abnormal}"
    )


def _argument(build: Callable[..., Any]) -> None:
    fusion = _ready(build())
    given = _given({"arterial": 0.5, "venous": 2.0})
    kept = dict(given)
    fusion.fuse("case", given, expected=PHASES)
    require(given == kept, "changes the findings that it was given")
    other = build()
    if isinstance(other, TrainedPhaseFusion):
        cases, abnormal = [_given(scores) for scores, _ in TRAINING], [called for _, called in TRAINING]
        before = ([dict(case) for case in cases], list(abnormal))
        other.fit(cases, abnormal, expected=PHASES, seed=LARGEST_SEED)
        require((cases, abnormal) == before, "changes the findings or diagnoses that it was fitted on")


def _order(fusion: PhaseFusion) -> None:
    for scores in _all_pairs():
        one = fusion.fuse("case", _given(scores), expected=PHASES)
        turned = dict(reversed(_given(scores).items()))
        two = fusion.fuse("case", turned, expected=PHASES)
        first, second = ((of.abnormal, of.score, of.fired, of.missing) for of in (one, two))
        require(first == second, f"{scores}: gives {second} in another order, and {first} else")


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
            given = _given({phase: score})
            try:
                found = fusion.fuse("case", given, expected=PHASES)
            except MissingPhaseError:
                continue  # to refuse the case is one of the two right answers
            (other,) = set(PHASES) - {phase}
            require(found.missing == (other,), f"only {phase}: names {found.missing} as missing, wanted ({other!r},)")
            _require_fired(found, given, f"only {phase}")


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


def _fit_repeats(build: Callable[..., Any]) -> None:
    one, two = build(), build()
    if isinstance(one, TrainedPhaseFusion):
        _require_equal(_ready(one), _ready(two), "the same findings and seed give two models that decide otherwise")


def _fit_order(build: Callable[..., Any]) -> None:
    """Fit on the same cases with their phases named in another order."""
    one, two = build(), build()
    if isinstance(one, TrainedPhaseFusion):
        turned = [(dict(reversed(list(scores.items()))), abnormal) for scores, abnormal in TRAINING]
        same = "learns otherwise when the phases of its cases stand in another order"
        _require_equal(_ready(one), _ready(two, turned), same)


def _save(build: Callable[..., Any]) -> None:
    """Store a fitted fusion and load it: the same to the bit, in files that hold no code."""
    fusion = build()
    if not isinstance(fusion, TrainedPhaseFusion):
        return
    _ready(fusion)
    with TemporaryDirectory() as folder:
        fusion.save(Path(folder))
        require_stored(Path(folder))
        other = build()
        other.load(Path(folder))
        _require_equal(fusion, other, "decides otherwise after it was saved and loaded")


def _require_equal(one: PhaseFusion, two: PhaseFusion, message: str) -> None:
    for scores in _all_pairs():
        first, second = (fusion.fuse("case", _given(scores), expected=PHASES) for fusion in (one, two))
        require((first.abnormal, first.score) == (second.abnormal, second.score), f"{scores}: {message}")
