"""Write a model's card: what it is, what it saw, how it did there, and what it is not for."""

from collections.abc import Iterable, Mapping
from typing import Any

from pnetkit.imaging.intensity import normalization_in_words


def model_card(content: Mapping[str, Any]) -> str:
    """Give the text of a model folder's README.md, from its `model.json`."""
    cohort, plugins = content["cohort"], content["plugins"]
    inputs = "; ".join(f"`{name}`: {', '.join(phases)}" for name, phases in content["inputs"].items())
    normalized = normalization_in_words(content["intensity"])
    folds = sorted({item["fold"] for item in content["networks"]})
    lines = [
        f"# {content['name']}",
        "",
        "**Research use only. Not a medical device, not for diagnosis.**",
        "",
        content["description"],
        "",
        "## What it is",
        "",
        f"- Networks: {len(content['networks'])}, of {len(folds)} folds, for the inputs {inputs}. They vote together.",
        f"- Labels: {', '.join(f'{value} {name}' for value, name in content['classes'].items())}.",
        f"- Intensity: clipped to {content['intensity']['window_hu']} HU, {normalized}.",
        f"- Grid: {content['grid']['orientation']}; {content['grid']['resampling']}.",
        *(f"- {line}" for line in _seen(content["grid"]["seen"], flags="rules_on" not in content["grid"])),
        *(f"- {line}" for line in _started(content.get("started_from", ()))),
        *(f"- {line}" for line in _plugins(plugins)),
        f"- {_thresholds(content)}",
        *(f"- {line}" for line in _learned(content["fusion"])),
        "",
        "## What it learned from",
        "",
        (
            f"{cohort['description']}: {cohort['cases']} cases of {cohort['patients']} patients, {cohort['abnormal']} "
            f"abnormal, {cohort['normal']} normal, {cohort['unknown']} unknown.{_held_out(cohort)}"
        ),
        "",
        "## How it did there",
        "",
        (
            "Cross-validation on that same cohort, each case seen by a network that had not learned from it: the "
            f"figures are of single networks, not of the {len(folds)} voting together, and say nothing of other "
            f"scanners, protocols or patients. {content['thresholds']}"
        ),
        "",
        "| | sensitivity | specificity |",
        "|---|---|---|",
        *(
            f"| {name} | {_rate(figures['sensitivity'])} | {_rate(figures['specificity'])} |"
            for name, figures in _decisions(content["evaluation"])
        ),
        "",
        "## How to use it",
        "",
        "    pnetkit screen THIS_FOLDER cohort.csv --out findings",
        "",
        (
            f"Made with pnetkit {content['versions']['pnetkit']} and torch {content['versions']['torch']}. "
            f"`sha256sum -c SHA256SUMS` finds damaged files."
        ),
        "",
    ]
    return "\n".join(lines)


def _seen(grids: Mapping[str, Any], *, flags: bool) -> list[str]:
    return [
        f"Voxels of the {phase} scans seen: "
        + " x ".join(f"{low:g}-{high:g}" if low != high else f"{low:g}" for low, high in seen["spacing_mm"])
        + (" mm; others are flagged." if flags else " mm.")
        for phase, seen in grids.items()
        if seen is not None
    ]


def _started(started: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say with which licenses the model began: it may not be given on freer than these allow."""
    of = [pair for first in started for pair in (first, *first["started_from"])]
    return [f"Started from the weights of {found['name']}, license: {found['license']}." for found in of]


def _plugins(plugins: Mapping[str, Any]) -> list[str]:
    named = [("Backbone", plugins["backbone"]), *(("Postprocessor", found) for found in plugins["postprocess"])]
    named += [("Case classifier", plugins["classifier"]), ("Fusion", plugins["fusion"])]
    return [f"{what}: `{found['plugin']}` of {found['distribution']} {found['version']}" for what, found in named]


def _thresholds(content: Mapping[str, Any]) -> str:
    point = content["operating_point"]
    if point is None:
        return "Thresholds: the recipe's."
    factors = ", ".join(f"{name} x {factor:.3g}" for name, factor in point["factors"].items())
    reached = "" if point["reached"] else " The rate that was asked for was not reached."
    return f"Thresholds: the recipe's, moved to an operating point chosen on all of the cohort ({factors}).{reached}"


def _held_out(cohort: Mapping[str, Any]) -> str:
    count = cohort.get("held_out", 0)
    return f" Nothing was learned from {count} of them, which were held out." if count else ""


def _learned(fusion: Mapping[str, Any] | None) -> list[str]:
    if fusion is None:
        return []
    cases = f"{fusion['cases']} cases of the cohort, {fusion['abnormal']} of them abnormal"
    return [f"The fusion was fitted on {cases}, each as found by a network that had not learned from it."]


def _decisions(evaluation: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [("fused", evaluation["fused"]), *((name, of["decision"]) for name, of in evaluation["phases"].items())]


def _rate(rate: Mapping[str, Any]) -> str:
    if not rate["total"]:
        return "no case"
    return f"{rate['successes']}/{rate['total']} (95 % interval {rate['low']:.2f}-{rate['high']:.2f})"
