"""Give a comparison as one table for programs: a row for each figure of each method, numbers as numbers.

Rates, Dice and AUC are from 0 to 1, as in JSON, not percent; empty is what is not known.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pnetkit.report.comparison import RESEARCH
from pnetkit.report.reference import PUBLISHED
from pnetkit.report.tidy_further import further_rows

COLUMNS = (
    "kind", "view", "method", "against", "seed", "figure", "value", "low", "high", "sd", "count", "total", "p",
    "p_holm", "cohort", "note",
)  # fmt: skip
"""`kind` is what a row is of: warning, arm, difference, lesions, further, reliability, seed, cost, or published."""

Row = dict[str, Any]


def tidy_rows(plain: Mapping[str, Any], published: tuple[str, ...] = ()) -> list[Row]:
    """Give the rows of a comparison, from what `--format json` writes, and the published ones of some views."""
    cohort = {"cohort": plain.get("cohort", "")}
    said = [RESEARCH] if plain.get("research_use_only") else []
    found: list[Row] = [{"kind": "warning", "note": text} for text in (*said, *plain.get("warnings", ()))]
    failed = {arm: f"{of['cases']} of {of['of']} cases failed" for arm, of in plain.get("failed", {}).items()}
    for view, of in plain.get("views", {}).items():
        about = {"kind": "arm", "view": view}
        found += [{**about, "note": failed.get(arm["arm"], ""), **row} for arm in of["arms"] for row in _arm(arm)]
        for row in of["against"]:
            found += [{"kind": "difference", "view": view, "against": of["baseline"], **more} for more in _against(row)]
        found += [{"kind": "lesions", "view": view, **row} for row in _lesions(of.get("lesions", {}))]
        found += [{"view": view, **row} for row in further_rows(of.get("further"))]
    for view, by_arm in plain.get("seeds", {}).items():
        for by_seed in by_arm.values():
            found += [
                {"kind": "seed", "view": view, "seed": seed, **row}
                for seed, arm in by_seed.items()
                for row in _arm(arm)
            ]
    for arm, costs in plain.get("costs", {}).items():
        numbers = {name: value for name, value in costs.items() if isinstance(value, int | float)}
        found += [{"kind": "cost", "method": arm, "figure": name, "value": value} for name, value in numbers.items()]
    return [{**row, **cohort} for row in found] + [
        {"kind": "published", "view": view, "cohort": "the paper's own", **row}
        for view in published
        for row in _published(view)
    ]


def _arm(arm: Mapping[str, Any]) -> Iterator[Row]:
    method = {"method": arm["arm"]}
    for name in ("sensitivity", "specificity"):
        yield {**method, "figure": name, **_rate(arm[name])}
    for name in ("auc", "sensitivity_at_95", "sensitivity_at_99"):
        yield {**method, "figure": name, **arm[name]}
    for name, dice in arm["dice"].items():
        yield {**method, "figure": f"dice {name}", "value": dice["mean"], "sd": dice["sd"], "count": dice["cases"]}
    yield {**method, "figure": "undecided", "count": arm["undecided"]}


def _against(row: Mapping[str, Any]) -> Iterator[Row]:
    about = {"method": row["arm"], "total": row["cases"]}
    if row["identical"]:
        yield {**about, "figure": "all", "value": 0, "note": "the same of every case"}
        return
    names = {"sensitivity": "Sensitivity", "specificity": "Specificity", "auc": "AUC"}
    differences = {name: (row[name], shown) for name, shown in names.items()}
    differences |= {f"dice {name}": (of, name) for name, of in row["dice"].items()}
    for figure, (of, shown) in differences.items():
        numbers = {key: of[key] for key in ("value", "low", "high")}
        yield {**about, "figure": figure, **numbers, "p": of["p_value"], "p_holm": row["adjusted"].get(shown)}


def _lesions(by_arm: Mapping[str, Any]) -> Iterator[Row]:
    for arm, by_criterion in by_arm.items():
        for criterion, of in by_criterion.items():
            about = {"method": arm, "note": f"found if {criterion}"}
            yield {**about, "figure": "lesions found", **_rate(of["detected"])}
            for size, rate in zip(("below 10 mm", "10 to 20 mm", "20 mm and more"), of["by_size"], strict=True):
                yield {**about, "figure": f"lesions found, {size}", **_rate(rate)}
            yield {**about, "figure": "false positives a scan", "value": of["false_positives_per_scan"]}
            for rate, value in of["froc"]:
                yield {**about, "figure": f"sensitivity at {rate:g} false positives a scan", "value": value}


def _published(view: str) -> Iterator[Row]:
    for row in (row for row in PUBLISHED if row.view == view):
        for name, rate in (("sensitivity", row.sensitivity), ("specificity", row.specificity)):
            counts = {"low": rate.low, "high": rate.high, "count": rate.successes, "total": rate.total}
            yield {"method": row.method, "figure": name, "value": rate.value, **counts}
        for name, mean in row.dice.items():
            yield {"method": row.method, "figure": f"dice {name}", "value": mean / 100}


def _rate(rate: Mapping[str, Any]) -> Row:
    value = rate["successes"] / rate["total"] if rate["total"] else None
    return {
        "value": value,
        "low": rate["low"],
        "high": rate["high"],
        "count": rate["successes"],
        "total": rate["total"],
    }
