"""Check every file of a cohort, and set bad cases aside or refuse."""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from pnetkit.cohort.check import CheckedCase, CheckedScan, LabelPolicy, check_case, duplicate_images
from pnetkit.cohort.kept_checks import find, keep, key_of
from pnetkit.cohort.table import read_cohort
from pnetkit.errors import CohortError, Fault, counted
from pnetkit.types import Case

_NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")

OnBadCase = Literal["stop", "skip"]
"""What becomes of cases with faults: they stop everything, or are set aside and counted."""


@dataclass(frozen=True, slots=True)
class CheckedCohort:
    """Hold every case of a table with what its check found."""

    cases: tuple[CheckedCase, ...]
    source: Path

    @property
    def notes(self) -> list[Fault]:
        """Give what is worth knowing but no fault; what many headers say alike is said once."""
        return [note for item in self.cases for note in item.notes] + _remarks(self.cases)

    def summary(self) -> str:
        """Say in one line what the cohort holds."""
        diagnoses = [item.case.abnormal for item in self.cases]
        patients = len({item.case.patient for item in self.cases})
        phases = sorted({phase for item in self.cases for phase in item.scans})
        return (
            f"{self.source}: fine. {counted(len(self.cases), 'case')} of {counted(patients, 'patient')}: "
            f"{diagnoses.count(True)} abnormal, {diagnoses.count(False)} normal, {diagnoses.count(None)} unknown; "
            f"phases {', '.join(phases)}."
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """Say where what checks found is kept, and what to do with it."""

    database: Path
    is_read: bool = True
    is_written: bool = True


def check_cohort(
    table: Path, phases: Sequence[str], policy: LabelPolicy, executor: Executor, kept: Kept | None = None
) -> CheckedCohort:
    """Read a table and check all files of all cases; those that did not change since a check that was kept by a look.

    Raises:
        CohortError: the table itself is faulty, or one image stands under two cases. Faults of single cases are in the
            result.
        StoreError: what was kept cannot be read or written.
    """
    cohort, faults = read_cohort(table, phases)
    if faults:
        raise CohortError(f"{table}: {counted(len(faults), 'fault')} in the table:", faults)
    checked = _checked(cohort.cases, policy, executor, kept)
    faults = duplicate_images(checked)
    if faults:
        raise CohortError(f"{table}: the same scan is there more than once:", faults)
    return CheckedCohort(checked, table)


def _checked(
    cases: Sequence[Case], policy: LabelPolicy, executor: Executor, kept: Kept | None
) -> tuple[CheckedCase, ...]:
    """Check all cases, and keep what was found of scans whose files stayed as they were."""
    if kept is None:
        return tuple(executor.map(partial(check_case, labels=policy), cases))
    keys = {(case.id, phase): key_of(files, policy) for case in cases for phase, files in case.scans.items()}
    found = find(kept.database, filter(None, keys.values())) if kept.is_read else {}
    known = [{phase: found[key] for phase in case.scans if (key := keys[case.id, phase]) in found} for case in cases]
    opened = [(case, policy, of) for case, of in zip(cases, known, strict=True) if len(of) < len(case.scans)]
    new = iter(executor.map(_check_one, opened))
    checked = tuple(
        check_case(case, policy, of) if len(of) == len(case.scans) else next(new)
        for case, of in zip(cases, known, strict=True)
    )
    if kept.is_written:
        looked_at = [(item, phase) for item in checked for phase in item.scans]
        after = {(item.case.id, phase): key_of(item.case.scans[phase], policy) for item, phase in looked_at}
        stayed = (
            (item.scans[phase], keys[item.case.id, phase], after[item.case.id, phase]) for item, phase in looked_at
        )
        keep(
            kept.database,
            {key: scan for scan, key, now in stayed if key is not None and key == now and key not in found},
        )
    return checked


def _check_one(asked: tuple[Case, LabelPolicy, Mapping[str, CheckedScan]]) -> CheckedCase:
    return check_case(*asked)


def _remarks(cases: Sequence[CheckedCase]) -> list[Fault]:
    """Gather what headers say, whatever the numbers in it: of a hundred scans from one program it is a line."""
    found: dict[str, list[tuple[str, str]]] = {}
    for item in cases:
        for phase, scan in item.scans.items():
            for remark in scan.remarks:
                found.setdefault(_NUMBER.sub("#", remark), []).append((f"case {item.case.id}, {phase}", remark))
    return [
        Fault(of[0][0] + (f", and {len(of) - 1} more scans alike" if len(of) > 1 else ""), of[0][1])
        for of in found.values()
    ]


def sort_out(cohort: CheckedCohort, on_bad_case: OnBadCase) -> tuple[list[CheckedCase], list[CheckedCase]]:
    """Part the good cases from the bad ones.

    Raises:
        CohortError: there are bad cases and they are not to be skipped, or none is good; every fault is listed.
    """
    good = [item for item in cohort.cases if not item.faults]
    bad = [item for item in cohort.cases if item.faults]
    if bad and (on_bad_case == "stop" or not good):
        faults = [fault for item in bad for fault in item.faults]
        heading = (
            f"{cohort.source}: {len(bad)} of {len(cohort.cases)} cases have faults. Mend them, or set them aside with "
            f"--on-bad-case skip:"
        )
        raise CohortError(heading, faults)
    return good, bad
