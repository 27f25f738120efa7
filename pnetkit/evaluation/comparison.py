"""Put several methods ("arms") side by side on the same cases, and test each against a baseline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pnetkit.evaluation.bootstrap import bootstrap_interval
from pnetkit.evaluation.paired import Difference, auc_difference, holm, rate_difference, signed_rank
from pnetkit.evaluation.rates import Rate, wilson_rate
from pnetkit.evaluation.roc import auc, auc_interval, sensitivity_at
from pnetkit.evaluation.summary import DiceSummary, summarize_dice
from pnetkit.evaluation.surfaces import SurfaceAgreement

OVERLAPS = {"N.Pancreas": ("pancreas", False), "A.Pancreas": ("pancreas", True), "Tumor": ("tumor", True)}
"""The paper's overlaps: which label, and of which cases (abnormal or not)."""


@dataclass(frozen=True, slots=True)
class Call:
    """Hold what an arm said of a case: its decision, its score in units of the threshold, its overlaps.

    `dice` maps labels to a value, or None where both masks are empty; it is empty without a reference label. So does
    `surfaces`, which is empty in runs of earlier releases too. `probability` is None where the score is none.
    """

    abnormal: bool
    score: float
    dice: Mapping[str, float | None]
    surfaces: Mapping[str, SurfaceAgreement] = field(default_factory=dict)
    probability: float | None = None

    def says_as(self, other: "Call") -> bool:
        """Tell whether two calls say the very same, as far as both say it: earlier releases told less."""
        told = not (self.surfaces and other.surfaces) or self.surfaces == other.surfaces
        return (self.abnormal, self.score, self.dice) == (other.abnormal, other.score, other.dice) and told


@dataclass(frozen=True, slots=True)
class CaseTruth:
    """Hold what does not depend on the arm: the diagnosis, and the patient as a number."""

    abnormal: bool | None
    patient: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Hold a figure with its 95 % interval; None where there is none."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """Hold one row of a comparison."""

    arm: str
    undecided: int
    sensitivity: Rate
    specificity: Rate
    auc: Estimate
    sensitivity_at_95: Estimate
    sensitivity_at_99: Estimate
    dice: Mapping[str, DiceSummary]


@dataclass(frozen=True, slots=True)
class AgainstBaseline:
    """Hold an arm's differences from the baseline (arm minus baseline), on the cases that both decided.

    Where both say the very same of every case they are `identical`: there is nothing to test, and no test that would
    weigh on the others' correction. `p_values` and `adjusted` (Holm, over all arms and figures of the table) go by
    figure; `right_alone` and `baseline_right_alone` name the cases that only one of the two has right.
    """

    arm: str
    cases: int
    identical: bool
    sensitivity: Difference
    specificity: Difference
    auc: Difference
    dice: Mapping[str, Difference]
    p_values: Mapping[str, float | None]
    adjusted: Mapping[str, float | None]
    right_alone: tuple[str, ...]
    baseline_right_alone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Hold a whole comparison: a row for each arm, and a row for each arm but the baseline against it."""

    baseline: str | None
    arms: tuple[ArmFigures, ...]
    against: tuple[AgainstBaseline, ...]


def compare_arms(
    truth: Mapping[str, CaseTruth],
    arms: Mapping[str, Mapping[str, Call]],
    *,
    baseline: str | None = None,
    seed: int = 0,
) -> Comparison:
    """Compute every arm's figures, and its differences from the baseline.

    `arms` maps an arm to its calls by case id; a case that an arm did not decide is missing there, is counted, and is
    in no figure of it. Cases of unknown diagnosis are in no rate.
    """
    figures = tuple(_figures(arm, truth, calls, seed) for arm, calls in arms.items())
    if baseline is None:
        return Comparison(None, figures, ())
    others = [arm for arm, calls in arms.items() if arm != baseline and (calls or not arms[baseline])]  # or no test
    rows = [_against(arm, truth, arms[arm], arms[baseline], seed) for arm in others]
    family = [(i, name) for i, row in enumerate(rows) for name in row.p_values]
    adjusted = holm([rows[i].p_values[name] for i, name in family])
    by_row: list[dict[str, float | None]] = [{} for _ in rows]
    for (i, name), value in zip(family, adjusted, strict=True):
        by_row[i][name] = value
    finished = tuple(replace(row, adjusted=found) for row, found in zip(rows, by_row, strict=True))
    return Comparison(baseline, figures, finished)


def _figures(arm: str, truth: Mapping[str, CaseTruth], calls: Mapping[str, Call], seed: int) -> ArmFigures:
    decided = [(case, truth[case], calls[case]) for case in truth if case in calls]
    known = [(t, call) for _, t, call in decided if t.abnormal is not None]
    labels = np.array([bool(t.abnormal) for t, _ in known], dtype=bool)
    scores = np.array([call.score for _, call in known], dtype=np.float64)
    called = np.array([call.abnormal for _, call in known], dtype=bool)
    patients = [t.patient for t, _ in known]

    def at(least: float) -> Estimate:
        def of(drawn: NDArray[np.int64]) -> float | None:
            return sensitivity_at(scores[drawn], labels[drawn], specificity=least)

        interval = bootstrap_interval(of, patients, seed=seed) or (None, None)
        return Estimate(sensitivity_at(scores, labels, specificity=least), *interval)

    area = auc(scores.tolist(), labels.tolist())
    return ArmFigures(
        arm=arm,
        undecided=len(truth) - len(decided),
        sensitivity=wilson_rate(int(called[labels].sum()), int(labels.sum())),
        specificity=wilson_rate(int((~called[~labels]).sum()), int((~labels).sum())),
        auc=Estimate(area, *(auc_interval(scores, labels) or (None, None))),
        sensitivity_at_95=at(0.95),
        sensitivity_at_99=at(0.99),
        dice={name: _dice(decided, label, abnormal) for name, (label, abnormal) in OVERLAPS.items()},
    )


def _dice(decided: Sequence[tuple[str, CaseTruth, Call]], label: str, abnormal: bool) -> DiceSummary:
    group = [call.dice for _, t, call in decided if t.abnormal is abnormal]
    referenced = [dice[label] for dice in group if label in dice]
    return summarize_dice(referenced, without_reference=len(group) - len(referenced))


def _against(
    arm: str, truth: Mapping[str, CaseTruth], calls: Mapping[str, Call], base: Mapping[str, Call], seed: int
) -> AgainstBaseline:
    shared = [case for case in truth if case in calls and case in base]
    known = [case for case in shared if truth[case].abnormal is not None]
    right = {case: calls[case].abnormal == truth[case].abnormal for case in known}
    base_right = {case: base[case].abnormal == truth[case].abnormal for case in known}

    def rates(abnormal: bool) -> Difference:
        of = [case for case in known if truth[case].abnormal is abnormal]
        return rate_difference([base_right[case] for case in of], [right[case] for case in of])

    sensitivity, specificity = rates(True), rates(False)
    area = auc_difference(
        [base[case].score for case in known],
        [calls[case].score for case in known],
        [bool(truth[case].abnormal) for case in known],
    )
    dice = {
        name: _dice_difference([c for c in shared if truth[c].abnormal is abnormal], label, truth, calls, base, seed)
        for name, (label, abnormal) in OVERLAPS.items()
    }
    p_values = {"Sensitivity": sensitivity.p_value, "Specificity": specificity.p_value, "AUC": area.p_value}
    p_values |= {name: found.p_value for name, found in dice.items() if found.value is not None}
    identical = all(calls[case].says_as(base[case]) for case in shared)
    return AgainstBaseline(
        arm=arm,
        cases=len(shared),
        identical=identical,
        sensitivity=sensitivity,
        specificity=specificity,
        auc=area,
        dice=dice,
        p_values={} if identical else p_values,
        adjusted={},
        right_alone=tuple(case for case in known if right[case] and not base_right[case]),
        baseline_right_alone=tuple(case for case in known if base_right[case] and not right[case]),
    )


def _dice_difference(
    cases: Sequence[str],
    label: str,
    truth: Mapping[str, CaseTruth],
    calls: Mapping[str, Call],
    base: Mapping[str, Call],
    seed: int,
) -> Difference:
    """Compare overlaps where both arms have one: mean difference, bootstrapped by patient, signed-rank p-value."""
    pairs = [(case, base[case].dice.get(label), calls[case].dice.get(label)) for case in cases]
    both = [(case, one, two) for case, one, two in pairs if one is not None and two is not None]
    if not both:
        return Difference(None, None, None, None)
    first, second = [one for _, one, _ in both], [two for _, _, two in both]
    change = np.array(second) - np.array(first)
    mean: Callable[[NDArray[np.int64]], float | None] = lambda drawn: float(change[drawn].mean())  # noqa: E731
    low, high = bootstrap_interval(mean, [truth[case].patient for case, _, _ in both], seed=seed) or (None, None)
    return Difference(float(change.mean()), low, high, signed_rank(first, second))
