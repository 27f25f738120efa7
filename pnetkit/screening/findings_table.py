"""The table of a screening, findings.csv: one line a case, also for those that failed."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

TABLE = "findings.csv"


def table(inputs: Sequence[str], rows: Iterable[Mapping[str, str]]) -> bytes:
    """Give the table of rows that `row` gave, with the columns of a model's inputs."""
    measures = [f"{name}_{what}" for name in inputs for what in ("decision", "score", "tumor_voxels", "duct_voxels",
                                                                  "tumor_mm3", "duct_mm3")]  # fmt: skip
    columns = ["case_id", "status", "decision", "score", "fired", "missing", *measures, "flags", "reason"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def row(case_id: str, status: str, record: Mapping[str, Any]) -> dict[str, str]:
    """Give the line of one case, of its record in `finding.json`, or of what is known of its failure.

    How many flags there are is no column of the table; it is for an index.
    """
    cells = {"case_id": case_id, "status": status, "reason": record.get("reason", "")}
    if status == "failed":
        return cells
    cells |= {
        "decision": record["decision"],
        "score": repr(record["score"]),
        "fired": ";".join(record["fired"]),
        "missing": ";".join(record["missing"]),
        "flags": "; ".join(record["flags"]),
        "flag_count": str(len(record["flags"])),
    }
    for name, of in record["inputs"].items():
        cells |= {
            f"{name}_decision": "abnormal" if of["abnormal"] else "normal",
            f"{name}_score": repr(of["score"]),
            **{f"{name}_{label}_voxels": str(of["voxels"][label]) for label in ("tumor", "duct")},
            **{f"{name}_{label}_mm3": repr(of["volume_mm3"][label]) for label in ("tumor", "duct")},
        }
    return cells
