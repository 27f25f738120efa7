"""Say what is to be screened: the cases of a table, or the scans of one case by phase."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pnetkit.cohort.check import file_digest
from pnetkit.cohort.table import read_unlabeled_cohort
from pnetkit.errors import CohortError, Fault, ImageError, did_you_mean
from pnetkit.imaging.nifti import read_scan
from pnetkit.types import Grid, Scan


@dataclass(frozen=True, slots=True)
class ScanSource:
    """Say how a scan is read: `like` is the NIfTI file whose grid results are written on, or the scan's own grid."""

    read: Callable[[], Scan]
    digest: Callable[[], str]
    like: Callable[[Scan], Path | Grid]
    kind: str


@dataclass(frozen=True, slots=True)
class ScreeningCase:
    """One case to be screened: its scans by phase. Nothing is read yet."""

    id: str
    scans: Mapping[str, ScanSource]


def nifti_source(path: Path) -> ScanSource:
    """Give a scan that lies in a NIfTI file."""

    def digest() -> str:
        try:
            return file_digest(path)
        except OSError as error:
            raise ImageError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error

    return ScanSource(lambda: read_scan(path), digest, lambda _: path, "NIfTI")


def cases_of(inputs: Sequence[str], phases: Sequence[str], case_id: str | None) -> list[ScreeningCase]:
    """Read the inputs of `pnetkit screen`: tables (`cohort.csv`), or `PHASE=FILE` for the scans of one case.

    Raises:
        CohortError: an input is none of these, a table is faulty, or two cases have one id; every fault is listed.
    """
    given = [text.partition("=") for text in inputs if "=" in text and not Path(text).exists()]
    cases, faults = _one_case(given, phases, case_id)
    for text in inputs:
        path = Path(text)
        if path.is_file() and path.suffix.lower() == ".csv":
            cases += _table(path, phases)
        elif path.exists():
            faults.append(Fault(text, f"wanted a table (.csv), or PHASE=FILE with a phase of {', '.join(phases)}"))
        elif "=" not in text:
            faults.append(Fault(text, "there is no such file"))
    ids = [case.id for case in cases]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    faults += [
        Fault("inputs", f"the case {i!r} is there more than once; give each case an id of its own") for i in twice
    ]
    if faults:
        raise CohortError("These inputs cannot be screened:", faults)
    return cases


def _one_case(
    given: Sequence[tuple[str, str, str]], phases: Sequence[str], case_id: str | None
) -> tuple[list[ScreeningCase], list[Fault]]:
    scans: dict[str, ScanSource] = {}
    faults = []
    for phase, _, file in given:
        if phase not in phases:
            faults.append(Fault(f"{phase}={file}", f"the model knows no phase {phase!r}.{did_you_mean(phase, phases)}"))
        elif phase in scans:
            faults.append(Fault(f"{phase}={file}", f"{phase} is given twice; screen one case at a time, or a table"))
        else:
            scans[phase] = nifti_source(Path(file))
    return ([ScreeningCase(case_id or "case", scans)] if scans else []), faults


def _table(path: Path, phases: Sequence[str]) -> list[ScreeningCase]:
    cohort, faults = read_unlabeled_cohort(path, phases)
    if faults:
        raise CohortError(f"{path}: {len(faults)} faults in the table:", faults)
    return [
        ScreeningCase(case.id, {phase: nifti_source(files.image) for phase, files in case.scans.items()})
        for case in cohort.cases
    ]
