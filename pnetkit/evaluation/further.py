"""What reviewers ask for beside rates and Dice, of several arms on the same cases: surfaces, lesions' F1, calibration.

They are a family of tests of their own: what is asked here weighs on no correction of the other table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pnetkit.evaluation.bootstrap import bootstrap_interval
from pnetkit.evaluation.calibration import Calibration, calibration
from pnetkit.evaluation.comparison import OVERLAPS, Call, CaseTruth, Estimate
from pnetkit.evaluation.lesions import LesionF1, LesionMatch, counted_lesions, f1_of, lesion_f1
from pnetkit.evaluation.paired import Difference, holm, signed_rank
from pnetkit.evaluation.surfaces import SurfaceAgreement, SurfaceSummary, summarize_surfaces

STRUCTURES = {**OVERLAPS, "Duct": ("duct", True)}
"""Whose surfaces are told: which label, and of which cases (abnormal or not)."""

NO_DIFFERENCE = Difference(None, None, None, None)


@dataclass(frozen=True, slots=True)
class FurtherFigures:
    """Hold an arm's further figures; what its cases do not tell is None or of no case.

    `f1` counts lesions by any overlap. `calibration` needs a probability of every decided case of known diagnosis;
    `brier` is its score with an interval.
    """

    arm: str
    surfaces: Mapping[str, SurfaceSummary]
    f1: LesionF1 | None
    calibration: Calibration | None
    brier: Estimate

    @property
    def tells_of_surfaces(self) -> bool:
        """Tell whether there is a scan with surfaces or lesions that count."""
        lesions = self.f1 is not None and self.f1.value is not None
        return lesions or any(of.cases for of in self.surfaces.values())


@dataclass(frozen=True, slots=True)
class FurtherAgainst:
    """Hold an arm's differences from the baseline (arm minus baseline).

    HD95 is compared on the scans in which both arms have one. F1 and Brier score have an interval and no test.
    """

    arm: str
    nsd: Mapping[str, Difference]
    hd95_mm: Mapping[str, Difference]
    f1: Difference
    brier: Difference
    adjusted: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Further:
    """Hold the further figures of all arms, and of each arm but the baseline against it."""

    baseline: str | None
    arms: tuple[FurtherFigures, ...]
    against: tuple[FurtherAgainst, ...]

    @property
    def is_empty(self) -> bool:
        """Tell whether no arm has any of them: runs of earlier releases, no reference labels, no probabilities."""
        return not any(of.calibration or of.tells_of_surfaces for of in self.arms)


Lesions = Mapping[str, Mapping[str, LesionMatch]]
"""Matches by arm and case."""


def compare_further(
    truth: Mapping[str, CaseTruth],
    arms: Mapping[str, Mapping[str, Call]],
    lesions: Lesions,
    *,
    baseline: str | None = None,
    seed: int = 0,
) -> Further:
    """Compute every arm's further figures, and its differences from the baseline.

    `arms` and `lesions` map an arm to its calls and its matched lesions by case id.
    """
    figures = tuple(_figures(arm, truth, calls, lesions.get(arm, {}), seed) for arm, calls in arms.items())
    if baseline is None:
        return Further(None, figures, ())
    rows = [_against(arm, truth, arms, lesions, baseline, seed) for arm in arms if arm != baseline]
    family = [
        (i, key, of.p_value)
        for i, row in enumerate(rows)
        for kind, by_name in (("NSD", row.nsd), ("HD95", row.hd95_mm))
        for key, of in ((f"{kind} {name}", of) for name, of in by_name.items())
        if of.value is not None
    ]
    by_row: list[dict[str, float | None]] = [{} for _ in rows]
    for (i, key, _), value in zip(family, holm([p for _, _, p in family]), strict=True):
        by_row[i][key] = value
    return Further(
        baseline, figures, tuple(replace(row, adjusted=found) for row, found in zip(rows, by_row, strict=True))
    )


def _figures(
    arm: str, truth: Mapping[str, CaseTruth], calls: Mapping[str, Call], lesions: Mapping[str, LesionMatch], seed: int
) -> FurtherFigures:
    surfaces = {
        name: summarize_surfaces([found for case in truth if (found := _surface(case, calls, label, abnormal, truth))])
        for name, (label, abnormal) in STRUCTURES.items()
    }
    said = _probabilities(truth, calls)
    of, estimate = None, Estimate(None, None, None)
    if said:
        of = calibration([p for _, p in said], [bool(truth[case].abnormal) for case, _ in said])
        squares = np.array([(p - bool(truth[case].abnormal)) ** 2 for case, p in said])
        interval = bootstrap_interval(_mean_of(squares), [truth[case].patient for case, _ in said], seed=seed)
        estimate = Estimate(float(squares.mean()), *(interval or (None, None)))
    return FurtherFigures(arm, surfaces, lesion_f1(list(lesions.values())), of, estimate)


def _against(
    arm: str,
    truth: Mapping[str, CaseTruth],
    arms: Mapping[str, Mapping[str, Call]],
    lesions: Lesions,
    baseline: str,
    seed: int,
) -> FurtherAgainst:
    nsd, far = {}, {}
    for name, (label, abnormal) in STRUCTURES.items():
        both = [
            (case, one, two)
            for case in truth
            if (one := _surface(case, arms[baseline], label, abnormal, truth))
            and (two := _surface(case, arms[arm], label, abnormal, truth))
        ]
        nsd[name] = _paired([(case, one.nsd, two.nsd) for case, one, two in both], truth, seed)
        far[name] = _paired([(case, one.hd95_mm, two.hd95_mm) for case, one, two in both], truth, seed)
    base, own = (dict(_probabilities(truth, arms[of])) for of in (baseline, arm))
    squares = [
        (case, (base[case] - bool(truth[case].abnormal)) ** 2, (own[case] - bool(truth[case].abnormal)) ** 2)
        for case in truth
        if case in base and case in own
    ]
    brier = replace(_paired(squares, truth, seed), p_value=None)
    f1 = _f1_difference(lesions.get(baseline, {}), lesions.get(arm, {}), truth, seed)
    return FurtherAgainst(arm, nsd, far, f1, brier, {})


def _surface(
    case: str, calls: Mapping[str, Call], label: str, abnormal: bool, truth: Mapping[str, CaseTruth]
) -> SurfaceAgreement | None:
    if case not in calls or truth[case].abnormal is not abnormal:
        return None
    return calls[case].surfaces.get(label)


def _probabilities(truth: Mapping[str, CaseTruth], calls: Mapping[str, Call]) -> list[tuple[str, float]]:
    """Give the probabilities of the decided cases of known diagnosis; none where one of them has none."""
    known = [(case, calls[case].probability) for case in truth if case in calls and truth[case].abnormal is not None]
    said = [(case, p) for case, p in known if p is not None]
    return said if len(said) == len(known) else []


def _paired(
    pairs: Sequence[tuple[str, float | None, float | None]], truth: Mapping[str, CaseTruth], seed: int
) -> Difference:
    """Give the mean difference where both have a finite value, bootstrapped by patient, with a signed-rank p-value."""
    both = [
        (c, one, two) for c, one, two in pairs if one is not None and two is not None and np.isfinite([one, two]).all()
    ]
    if not both:
        return NO_DIFFERENCE
    first, second = np.array([one for _, one, _ in both]), np.array([two for _, _, two in both])
    change = second - first
    patients = [truth[case].patient for case, _, _ in both]
    low, high = bootstrap_interval(_mean_of(change), patients, seed=seed) or (None, None)
    return Difference(float(change.mean()), low, high, signed_rank(first.tolist(), second.tolist()))


def _f1_difference(
    base: Mapping[str, LesionMatch], own: Mapping[str, LesionMatch], truth: Mapping[str, CaseTruth], seed: int
) -> Difference:
    """Give the difference of F1 over the scans of both, with an interval bootstrapped by patient."""
    cases = [case for case in truth if case in base and case in own]
    counts = [[counted_lesions(of[case]) for case in cases] for of in (base, own)]
    if not cases or any(None in of for of in counts):
        return NO_DIFFERENCE
    table = np.array(counts, dtype=np.int64)  # arm, case, (found, missed, wrong)

    def change(drawn: NDArray[np.int64]) -> float | None:
        one, two = (f1_of(*(int(n) for n in of[drawn].sum(axis=0))) for of in table)
        return None if one is None or two is None else two - one

    value = change(np.arange(len(cases)))
    if value is None:
        return NO_DIFFERENCE
    low, high = bootstrap_interval(change, [truth[case].patient for case in cases], seed=seed) or (None, None)
    return Difference(value, low, high, None)


def _mean_of(values: NDArray[np.float64]) -> Callable[[NDArray[np.int64]], float | None]:
    return lambda drawn: float(values[drawn].mean())
