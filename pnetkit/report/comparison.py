"""Lay out a comparison: a row for each arm, and a row for each arm against the baseline."""

from collections.abc import Mapping, Sequence
from typing import Any

from pnetkit.evaluation.comparison import OVERLAPS, AgainstBaseline, ArmFigures, Comparison, Estimate
from pnetkit.evaluation.lesions import LesionFigures
from pnetkit.evaluation.paired import Difference
from pnetkit.evaluation.summary import DiceSummary
from pnetkit.report.reference import COHORT, NO_SPREAD, PUBLISHED, published_cells
from pnetkit.report.tables import NOTHING, RATES, Table, rate_text

FUSED = "fused"
"""The view of the fused decision, beside those of the phases."""

MOST_NAMED = 8
"""Cases that a note names before it counts."""

_CALLS = (*RATES, "AUC [95 % CI]", "Sens. at 95 % spec.", "Sens. at 99 % spec.")
TESTS = (
    "Tests: exact McNemar with Newcombe's interval (rates), DeLong (AUC), Wilcoxon's signed rank with an interval "
    "bootstrapped by patient (Dice). Holm's correction is over all tests of this table."
)
SAME = "the same"
"""Stands where two arms say the very same of every case."""

LESION_WORDS = (
    "A lesion is a component of the reference tumor label, its size the diameter of a sphere of its volume; a "
    "candidate's confidence is its number of voxels. Scans with a reference label."
)
RESEARCH = "Research use only, not for diagnosis."


def arms_table(
    comparison: Comparison,
    view: str,
    *,
    cohort: str,
    warnings: Sequence[str] = (),
    failed: Mapping[str, str] | None = None,
    reference: bool = False,
) -> Table:
    """Make the table of all arms in one view (a phase, or `fused`), in the paper's columns and more.

    `failed` says of arms what their row has to say of cases that failed.
    """
    because = failed or {}
    overlaps = () if view == FUSED else tuple(OVERLAPS)
    columns = ("Method", *(f"{name} %" for name in overlaps), *_CALLS)
    rows = [
        (
            f"{figures.arm} ({because[figures.arm]})" if figures.arm in because else figures.arm,
            *(_dice(figures.dice[name]) for name in overlaps),
            *_calls(figures),
        )
        for figures in comparison.arms
    ]
    notes = [*warnings, f"Cohort: {cohort}. {RESEARCH}"]
    notes.append(
        "Intervals: Wilson (rates), DeLong (AUC), bootstrap by patient (sensitivity at a specificity, whose threshold "
        "is read off the scored cases themselves)."
    )
    undecided = [f"{figures.arm} {figures.undecided}" for figures in comparison.arms if figures.undecided]
    if undecided:
        notes.append(f"Cases that an arm did not decide are in no figure of it: {', '.join(undecided)}.")
    notes += _undefined(comparison.arms, overlaps)
    rules: tuple[int, ...] = ()
    published = [row for row in PUBLISHED if row.view == view] if reference else []
    if published:
        rules = (len(rows),)
        rows += [(*published_cells(row), *[NOTHING] * 3) for row in published]
        notes.append(f"Rows marked 'published': {COHORT}. Their scores are not published.")
        notes += [NO_SPREAD] if overlaps else []
    title = "Fused decision" if view == FUSED else f"By phase: {view}"
    return Table(title, columns, tuple(rows), tuple(notes), rules)


def differences_table(comparison: Comparison, view: str) -> Table:
    """Make the table of each arm's differences from the baseline."""
    overlaps = () if view == FUSED else tuple(OVERLAPS)
    columns = ("Method", "Sensitivity, pp", "Specificity, pp", "AUC", *(f"{name} Dice, pp" for name in overlaps))
    rows = []
    notes = [
        f"Each method minus {comparison.baseline}, on the cases that both decided: difference [95 % CI], p, Holm's p.",
        TESTS,
    ]
    for row in comparison.against:
        if row.identical:
            rows.append((row.arm, *[SAME] * (len(columns) - 1)))
            continue
        cells = [difference_text(row.sensitivity, row.adjusted.get("Sensitivity"), 100)]
        cells.append(difference_text(row.specificity, row.adjusted.get("Specificity"), 100))
        cells.append(difference_text(row.auc, row.adjusted.get("AUC"), 1))
        cells += [difference_text(row.dice[name], row.adjusted.get(name), 100) for name in overlaps]
        rows.append((row.arm, *cells))
        notes += _alone(row, comparison.baseline or "")
    what = "fused decision" if view == FUSED else view
    return Table(f"Against {comparison.baseline}: {what}", columns, tuple(rows), tuple(notes))


def lesions_table(
    figures: Mapping[str, Mapping[str, LesionFigures]], view: str, *, cohort: str, warnings: Sequence[str] = ()
) -> Table:
    """Make the table of lesions found in one phase: for each arm its figures by criterion of detection."""
    at = [f"{rate:g}" for rate, _ in next(iter(next(iter(figures.values())).values())).froc]
    columns = ("Method", "Found if", "Lesions found, % [95 % CI]", "< 10 mm", "10-20 mm", "≥ 20 mm", "False pos./scan",
               *(f"Sens. at {rate} FP" for rate in at))  # fmt: skip
    words = {"any": "any overlap", "iou": "IoU ≥ 0.1"}
    rows = [
        (
            arm,
            words[criterion],
            f"{found.detected.successes}/{found.detected.total}, {rate_text(found.detected)}",
            *(f"{rate.successes}/{rate.total}" for rate in found.by_size),
            NOTHING if found.false_positives_per_scan is None else f"{found.false_positives_per_scan:.2f}",
            *(NOTHING if value is None else f"{100 * value:.1f}" for _, value in found.froc),
        )
        for arm, by_criterion in figures.items()
        for criterion, found in by_criterion.items()
    ]
    notes = (
        *warnings,
        f"Cohort: {cohort}. {RESEARCH}",
        LESION_WORDS,
    )
    return Table(f"Lesions: {view}", columns, tuple(rows), notes, names=2)


def seeds_table(repeats: Mapping[str, Sequence[tuple[int, ArmFigures]]], view: str, *, cohort: str) -> Table:
    """Make the table of what changes when nothing but the training's seed does: mean, and least to largest."""
    overlaps = () if view == FUSED else tuple(OVERLAPS)
    columns = ("Method", "Seeds", "Sensitivity %", "Specificity %", "AUC", *(f"{name} %" for name in overlaps))
    rows = [
        (
            arm,
            ", ".join(str(seed) for seed, _ in found),
            _spread([f.sensitivity.value for _, f in found], 100),
            _spread([f.specificity.value for _, f in found], 100),
            _spread([f.auc.value for _, f in found], 1),
            *(_spread([f.dice[name].mean for _, f in found], 100) for name in overlaps),
        )
        for arm, found in repeats.items()
    ]
    what = "fused decision" if view == FUSED else view
    notes = (f"Cohort: {cohort}. {RESEARCH}", "Mean over seeds of the training (least to largest); folds are the same.")
    return Table(f"Seed to seed: {what}", columns, tuple(rows), notes)


def costs_table(costs: Mapping[str, Mapping[str, Any]], *, cohort: str) -> Table:
    """Make the table of what the arms took, of their runs' own records."""
    columns = (
        "Method", "Parameters, M", "Multiply-adds, G", "Training, s", "Training, MiB", "Scan, s", "Scan, MiB",
    )  # fmt: skip
    rows = [
        (
            arm,
            _cost(of["parameters"], 1e6, 2),
            _cost(of["multiply_adds"], 1e9, 2),
            _cost(of["training_seconds"], 1, 1),
            _cost(of["training_peak_mib"], 1, 0),
            _cost(of["scan_seconds"], 1, 2),
            _cost(of["scan_peak_mib"], 1, 0),
        )
        for arm, of in costs.items()
    ]
    windows = ", ".join(f"{arm} {' x '.join(map(str, of['window']))}" for arm, of in costs.items())
    said = (
        f"Multiply-adds are of one window: {windows}. Seconds are medians of one training and of one scan, MiB the "
        f"largest peaks of a worker, as they were when each was made: on whatever machine, beside whatever else."
    )
    notes = (f"Cohort: {cohort}. {RESEARCH}", said)
    return Table("What it took", columns, tuple(rows), notes)


def _cost(value: float | None, unit: float, digits: int) -> str:
    return NOTHING if value is None else f"{value / unit:.{digits}f}"


def _spread(values: Sequence[float | None], scale: float) -> str:
    known = [scale * value for value in values if value is not None]
    if not known:
        return NOTHING
    form = "{:.1f}" if scale > 1 else "{:.3f}"
    return f"{form.format(sum(known) / len(known))} ({form.format(min(known))} to {form.format(max(known))})"


def _calls(figures: ArmFigures) -> tuple[str, ...]:
    sensitivity, specificity = figures.sensitivity, figures.specificity
    return (
        f"{sensitivity.total - sensitivity.successes}/{sensitivity.total}",
        rate_text(sensitivity),
        f"{specificity.total - specificity.successes}/{specificity.total}",
        rate_text(specificity),
        _estimate(figures.auc, "{:.3f}", 1),
        _estimate(figures.sensitivity_at_95, "{:.1f}", 100),
        _estimate(figures.sensitivity_at_99, "{:.1f}", 100),
    )


def _estimate(estimate: Estimate, form: str, scale: float) -> str:
    if estimate.value is None:
        return NOTHING
    text = form.format(scale * estimate.value)
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{form.format(scale * estimate.low)}, {form.format(scale * estimate.high)}]"


def difference_text(difference: Difference, adjusted: float | None, scale: float) -> str:
    """Give a difference with its interval, its p-value and, in brackets, Holm's."""
    if difference.value is None:
        return NOTHING
    form = "{:+.1f}" if scale > 1 else "{:+.3f}"
    text = form.format(scale * difference.value)
    if difference.low is not None and difference.high is not None:
        text += f" [{form.format(scale * difference.low)}, {form.format(scale * difference.high)}]"
    if difference.p_value is not None:
        text += f" p{_p(difference.p_value)}"
    if adjusted is not None:
        text += f" ({_p(adjusted).removeprefix('=')})"
    return text


def _p(value: float) -> str:
    return f"={value:.3f}" if value >= 0.001 else "<0.001"  # noqa: PLR2004


def _dice(dice: DiceSummary) -> str:
    if dice.mean is None:
        return NOTHING
    return f"{100 * dice.mean:.2f}" + (f" ± {100 * dice.sd:.2f}" if dice.sd is not None else "")


def _undefined(arms: Sequence[ArmFigures], overlaps: Sequence[str]) -> list[str]:
    notes = []
    for figures in arms:
        of: Mapping[str, DiceSummary] = figures.dice
        counts = [
            f"{name} {of[name].undefined} undefined, {of[name].without_reference} without a reference label"
            for name in overlaps
            if of[name].undefined or of[name].without_reference
        ]
        if counts:
            notes.append(f"{figures.arm}: {'; '.join(counts)} (in no mean).")
    return notes


def _alone(row: AgainstBaseline, baseline: str) -> list[str]:
    def named(cases: Sequence[str]) -> str:
        more = f" and {len(cases) - MOST_NAMED} more" if len(cases) > MOST_NAMED else ""
        return f"{len(cases)} ({', '.join(cases[:MOST_NAMED])}{more})" if cases else "none"

    return [f"Right alone: {row.arm} {named(row.right_alone)}; {baseline} {named(row.baseline_right_alone)}."]
