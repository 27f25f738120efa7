"""Check every file of a cohort, and set bad cases aside or refuse."""

import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pnetkit.cohort.check import CheckedCase, LabelPolicy, check_scan, duplicate_images, judged
from pnetkit.cohort.kept_checks import Kept, checked_once, scan_from_json, scan_to_json
from pnetkit.cohort.table import read_cohort
from pnetkit.errors import CohortError, Fault, counted
from pnetkit.label_sets import ANNOTATABLE, not_annotated
from pnetkit.types import Case, ScanFiles

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
        return [note for item in self.cases for note in item.notes] + _unsaid(self.cases) + _remarks(self.cases)

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
    """Check all cases, scan by scan."""
    scans = {(case.id, phase): files for case in cases for phase, files in case.scans.items()}
    mapping = None if policy.mapping is None else sorted(policy.mapping.items())
    about = {"scan": True, "mapping": mapping, "unmapped": policy.unmapped}
    asked = {of: (tuple(filter(None, (files.image, files.label))), about) for of, files in scans.items()}

    def look(wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any] | str]:
        found = executor.map(partial(_look, policy=policy), [scans[of] for of in wanted])
        return dict(zip(wanted, found, strict=True))

    told = checked_once(kept, asked, look)
    found = {of: said if isinstance(said, str) else scan_from_json(said) for of, said in told.items()}
    return tuple(judged(case, {phase: found[case.id, phase] for phase in case.scans}) for case in cases)


def _look(files: ScanFiles, policy: LabelPolicy) -> dict[str, Any] | str:
    found = check_scan(files, policy)
    return found if isinstance(found, str) else scan_to_json(found)


def _unsaid(cases: Sequence[CheckedCase]) -> list[Fault]:
    """Count what labels leave open: voxels that are to be ignored, and labels that have none of a class."""
    contents = [
        (item.case.labeled, of.content) for item in cases for of in item.scans.values() if of.content is not None
    ]
    ignored = [of.ignored_voxels for _, of in contents if of.ignored_voxels]
    absent = Counter(name for labeled, _ in contents for name in not_annotated(labeled))
    said = [f"{sum(ignored):,} voxels in {len(ignored)} of {len(contents)} label maps are ignored"] if ignored else []
    said += [
        f"{absent[name]} of {len(contents)} label maps have no label of {name}" for name in ANNOTATABLE if absent[name]
    ]
    return [Fault("cohort", f"{words}: in no loss and no figure") for words in said]


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
