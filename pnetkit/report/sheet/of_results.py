"""What a run's files say of its results: figures with intervals, their spread, and where it was wrong."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pnetkit.report.sheet.values import CASES, METRICS, RECIPE, RunValues, Said

REPORT = "report.html"


def measures(run: RunValues) -> Sequence[Said]:
    """Say which figures were computed."""
    if not run.metrics:
        return ()
    return [
        Said(
            "Sensitivity, specificity and area under the ROC curve of each input and of the fused decision; mean and "
            "standard deviation of the Dice overlap of pancreas and tumor.",
            METRICS,
            "phases, fused",
        )
    ]


def uncertainty(run: RunValues) -> Sequence[Said]:
    """Say which intervals rates have."""
    if not run.metrics:
        return ()
    found = [Said("Rates have Wilson's 95 % intervals; none was tested for significance.", METRICS, "*.low, *.high")]
    if REPORT in run.beside:
        said = (
            "Areas under the curve have DeLong's 95 % intervals there; the band of the ROC is bootstrapped by patient."
        )
        found.append(Said(said, REPORT, "How well it did"))
    return found


def fused(run: RunValues) -> Sequence[Said]:
    """Give the figures of the fused decision with their intervals."""
    said = _decision("Fused decision", run.metrics.get("fused"), "fused")
    return () if said is None else (said,)


def accuracy(run: RunValues) -> Sequence[Said]:
    """Give the figures with their intervals: fused, then by input."""
    found: list[Said | None] = [*fused(run)]
    for name, of in run.metrics.get("phases", {}).items():
        found.append(_decision(name, of.get("decision"), f"phases.{name}.decision"))
        overlaps = [
            f"{what.replace('_', ' in ')} cases {dice['mean']:.3f} (SD {dice['sd']:.3f}, {dice['cases']} scans)"
            for what in ("pancreas_normal", "pancreas_abnormal", "tumor_abnormal")
            if (dice := of.get(what)) and dice["mean"] is not None and dice["sd"] is not None
        ]
        if overlaps:
            found.append(Said(f"{name}, Dice: {'; '.join(overlaps)}.", METRICS, f"phases.{name}"))
    return [said for said in found if said is not None]


def cross_table(run: RunValues) -> Sequence[Said]:
    """Give the fused decision against the diagnosis, as four counts."""
    decision = run.metrics.get("fused")
    if not decision:
        return ()
    hit, right = decision["sensitivity"], decision["specificity"]
    said = (
        f"Abnormal cases: {hit['successes']} called abnormal, {hit['total'] - hit['successes']} not. Normal cases: "
        f"{right['total'] - right['successes']} called abnormal, {right['successes']} not."
    )
    return [Said(said, METRICS, "fused.sensitivity, fused.specificity")]


def failures(run: RunValues) -> Sequence[Said]:
    """Say how many tumors were missed and how many alarms were false, by the phases that fired."""
    decided = [line for line in run.lines if line["status"] == "ok"]
    if not decided:
        return ()
    missed = [line for line in decided if line["abnormal"] == "1" and line["called_abnormal"] == "0"]
    alarms = [line for line in decided if line["abnormal"] == "0" and line["called_abnormal"] == "1"]
    lacking = sum(bool(line.get("missing")) for line in missed)
    said = f"Missed abnormal cases: {len(missed)}" + (f", {lacking} of them with a phase missing." if lacking else ".")
    found = [Said(said, CASES, "abnormal, called_abnormal, missing")]
    by_phase = Counter(line.get("fired", "").replace(";", " and ") for line in alarms)
    said = f"False alarms: {len(alarms)}"
    if alarms:
        fired = "; ".join(f"fired by {name or 'no single phase'}: {n}" for name, n in by_phase.most_common())
        said += f" ({fired})"
    found.append(Said(f"{said}.", CASES, "abnormal, called_abnormal, fired"))
    broken = sum(line["status"] == "failed" for line in run.lines)
    found.append(Said(f"Cases without a decision because something failed: {broken}.", CASES, "status"))
    if REPORT in run.beside:
        said = "Every missed tumor and false alarm in pictures, with the step at which it was lost."
        found.append(Said(said, REPORT, "gallery"))
    return found


def spread(run: RunValues) -> Sequence[Said]:
    """Say how figures spread over folds and inputs, and over seeds where the recipe asks for several."""
    found = []
    decision = run.metrics.get("fused") or {}
    for name in ("sensitivity", "specificity"):
        values = [of["value"] for of in decision.get(f"{name}_by_fold", {}).values() if of["value"] is not None]
        if len(values) > 1:
            said = f"Fused {name} by fold: {min(values):.1%} to {max(values):.1%} ({len(values)} folds)."
            found.append(Said(said, METRICS, f"fused.{name}_by_fold"))
    seeds = run.recipe.get("training", {}).get("repeat_seeds")
    if seeds:
        said = f"To be repeated with the seeds {', '.join(map(str, seeds))} (`pnetkit compare` runs them)."
        found.append(Said(said, RECIPE, "training.repeat_seeds"))
    return found


def lesions_by_size(run: RunValues) -> Sequence[Said]:
    """Say where sensitivity by size of lesion stands."""
    if not any(run.diameters_mm.values()) or REPORT not in run.beside:
        return ()
    return [Said("Tumors found, by diameter and phase, with intervals.", REPORT, "Lesions by size")]


def undefined(run: RunValues) -> Sequence[Said]:
    """Say how many overlaps are undefined, and how many scans had nothing to be held to."""
    found = []
    for name, of in run.metrics.get("phases", {}).items():
        groups = [of[what] for what in ("pancreas_normal", "pancreas_abnormal") if of.get(what)]
        if groups:
            without, empty = (sum(group[key] for group in groups) for key in ("without_reference", "undefined"))
            said = f"{name}: {without} scans without a reference label are in no Dice; {empty} overlaps of two empty "
            found.append(Said(f"{said}masks are undefined, and counted apart.", METRICS, f"phases.{name}"))
    return found


def unknown(run: RunValues) -> Sequence[Said]:
    """Say how cases without a diagnosis, or without a decision, were counted."""
    if "unknown" not in run.metrics:
        return ()
    of = run.metrics
    said = (
        f"In no rate, and counted beside them: {of['unknown']} cases of unknown diagnosis, "
        f"{of.get('failed', 0)} failed, {of.get('quarantined', 0)} set aside. A decision is one of two: none is "
        "indeterminate."
    )
    return [Said(said, METRICS, "unknown, failed, quarantined")]


def _decision(name: str, of: Mapping[str, Any] | None, key: str) -> Said | None:
    if not of:
        return None
    rates = [
        f"{what} {rate['value']:.1%} ({rate['successes']} of {rate['total']}; {rate['low']:.1%} to {rate['high']:.1%})"
        for what in ("sensitivity", "specificity")
        if (rate := of[what])["value"] is not None and rate["low"] is not None
    ]
    area = [] if of.get("auc") is None else [f"area under the curve {of['auc']:.3f}"]
    return Said(f"{name}: {', '.join([*rates, *area])}.", METRICS, key) if rates or area else None
