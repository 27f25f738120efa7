"""Audit a cohort: open every scan, judge what was seen, and give it as a table."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pnetkit.cohort.audit.judge import KINDS, Limits, PhaseGate, Remark, judge
from pnetkit.cohort.audit.look import look_at
from pnetkit.cohort.check import LabelPolicy
from pnetkit.cohort.spreadsheet import read_table
from pnetkit.cohort.table import read_cohort
from pnetkit.errors import CohortError, counted

COLUMNS = ("kind", "case_id", "phase", "value", "unit", "says", "others")
"""The columns of the table."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Hold the remarks on a cohort, and of how many scans of how many cases they are."""

    source: Path
    cases: int
    scans: int
    labels: int
    remarks: tuple[Remark, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Count the remarks of each kind, also of those that there is none of."""
        there = Counter(remark.kind for remark in self.remarks)
        return {kind: there[kind] for kind in KINDS}

    def to_csv(self) -> str:
        """Give one line for each remark."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for of in self.remarks:
            value = "" if of.value is None else f"{of.value:.6g}"
            writer.writerow([of.kind, of.case_id, of.phase, value, of.unit, of.says, " ".join(of.others)])
        return text.getvalue()


def audit(
    table: Path, phases: Sequence[str], policy: LabelPolicy, limits: Limits, phase_gate: PhaseGate, executor: Executor
) -> Audit:
    """Open every scan of a cohort and say what somebody has to look at. Raises CohortError for a faulty table."""
    cohort, faults = read_cohort(table, phases)
    if faults:
        raise CohortError(f"{table}: {counted(len(faults), 'fault')} in the table:", faults)
    scans = {(case.id, phase): files for case in cohort.cases for phase, files in case.scans.items()}
    seen = dict(zip(scans, executor.map(partial(look_at, labels=policy), scans.values()), strict=True))
    counts = {row["case_id"]: row.get("lesion_count", "") for row in read_table(table)}
    known = {case: int(count) for case, count in counts.items() if count.isdecimal()}
    folds = {case.id: case.fold for case in cohort.cases if case.fold is not None}
    remarks = judge(cohort.cases, seen, limits, phase_gate, known, folds)
    labels = sum(files.label is not None for files in scans.values())
    return Audit(table, len(cohort.cases), len(scans), labels, tuple(remarks))
