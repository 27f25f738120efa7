"""The rows of further figures in a comparison's table for programs: surfaces, lesion-wise F1, calibration."""

from collections.abc import Iterator, Mapping
from typing import Any

Row = dict[str, Any]


def further_rows(further: Mapping[str, Any] | None) -> Iterator[Row]:
    """Give a row for each further figure of each arm, and for each difference; none of earlier releases' runs.

    NSD and F1 are from 0 to 1. An HD95 without a value, of a `count` of scans, is infinite.
    """
    if further is None:
        return
    for arm in further["arms"]:
        yield from ({"kind": "further", "method": arm["arm"], **row} for row in _figures(arm))
        for of in (arm["calibration"] or {}).get("bins", ()):
            about = {"kind": "reliability", "method": arm["arm"], "figure": f"{of['low']:g} to {of['high']:g}"}
            yield {**about, "value": of["mean"], "count": of["abnormal"], "total": of["cases"]}
    for row in further["against"]:
        about = {"kind": "difference", "method": row["arm"], "against": further["baseline"]}
        for kind, figure in (("NSD", "nsd"), ("HD95", "hd95_mm")):
            for name, of in row[figure].items():
                holm = row["adjusted"].get(f"{kind} {name}")
                yield {**about, "figure": f"{figure} {name}", **_difference(of), "p_holm": holm}
        yield {**about, "figure": "lesion f1", **_difference(row["f1"])}
        yield {**about, "figure": "brier score", **_difference(row["brier"])}


def _figures(arm: Mapping[str, Any]) -> Iterator[Row]:
    for name, of in arm["surfaces"].items():
        yield {"figure": f"nsd {name}", "value": of["nsd"], "count": of["cases"]}
        yield {"figure": f"hd95_mm {name}", "value": of["hd95_mm"], "count": of["cases"]}
    if arm["f1"] is not None:
        of = arm["f1"]
        counts = {"count": of["found"], "total": of["found"] + of["missed"]}
        yield {"figure": "lesion f1", "value": of["value"], **counts, "note": f"{of['wrong']} wrong"}
    if arm["calibration"] is not None:
        of = arm["calibration"]
        yield {"figure": "brier score", **arm["brier"], "count": of["cases"]}
        for figure, key in (("expected calibration error", "expected_error"), ("calibration slope", "slope"),
                            ("calibration intercept", "intercept")):  # fmt: skip
            yield {"figure": figure, "value": of[key], "count": of["cases"]}


def _difference(of: Mapping[str, Any]) -> Row:
    return {"value": of["value"], "low": of["low"], "high": of["high"], "p": of["p_value"]}
