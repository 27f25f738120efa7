"""Say what is to be screened: the cases of a table, or the scans of one case by phase."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pnetkit.case_ids import case_id_fault
from pnetkit.cohort.table import read_unlabeled_cohort
from pnetkit.errors import CohortError, Fault, counted, did_you_mean
from pnetkit.extras import require_extra
from pnetkit.screening.source import Origin, ScanSource, ScreeningCase, nifti_source


@dataclass(frozen=True, slots=True)
class Asked:
    """Say how inputs are to be understood: an id for a single case, and rules for DICOM folders.

    `uids` and `descriptions` are by phase; `by` is `description`, `time` or `image`; with `write_dicom` results are
    also written as DICOM; with `same_patient` series that contradict each other about the patient are one patient's.
    `learned_mm` is by phase the least and the largest slice distance that the networks learned from: among several
    reconstructions of a phase the nearest is taken.
    """

    case_id: str | None = None
    uids: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    descriptions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    by: Literal["description", "time", "image"] = "description"
    write_dicom: bool = False
    same_patient: bool = False
    learned_mm: Mapping[str, tuple[float, float]] = field(default_factory=lambda: MappingProxyType({}))


def cases_of(
    inputs: Sequence[str], phases: Sequence[str], asked: Asked, say: Callable[[str], None]
) -> list[ScreeningCase]:
    """Read the inputs of `pnetkit screen`: tables (`.csv`), folders of DICOM, or `PHASE=FILE` for one case's scans.

    `say` gets what is worth knowing. A study whose series cannot be told apart is a case with a fault.

    Raises:
        CohortError: an input is none of these, a table is faulty, or two cases have one id; every fault is listed.
        MissingExtraError: a folder is given, and the packages for DICOM are not installed.
    """
    given = [text.partition("=") for text in inputs if "=" in text and not Path(text).exists()]
    faults = _id_faults(asked.case_id, inputs, one_case=bool(given))
    cases: list[ScreeningCase] = []
    if not faults:
        cases, faults = _one_case(given, phases, asked.case_id)
    faults += _rule_faults(asked, phases)
    if asked.same_patient and not any(Path(text).is_dir() for text in inputs):
        faults.append(Fault("--same-patient", "is said of DICOM, and no folder of DICOM is given; leave it out"))
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            cases += [] if faults else _folder(path, phases, asked, say)
        elif path.is_file() and path.suffix.lower() == ".csv":
            cases += _table(path, phases)
        elif path.exists():
            faults.append(
                Fault(
                    text, f"wanted a table (.csv), a folder of DICOM, or PHASE=FILE with a phase of {', '.join(phases)}"
                )
            )
        elif "=" not in text:
            faults.append(Fault(text, "there is no such file or folder"))
    ids = [case.id for case in cases]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    faults += [
        Fault("inputs", f"the case {i!r} is there more than once; give each case an id of its own") for i in twice
    ]
    if faults:
        raise CohortError("These inputs cannot be screened:", faults)
    return cases


def _id_faults(case_id: str | None, inputs: Sequence[str], *, one_case: bool) -> list[Fault]:
    """Say what is wrong with an id that was given: what it is, or that it cannot be that of several cases."""
    if case_id is None:
        return []
    faults = [Fault("--case-id", wrong) for wrong in [case_id_fault(case_id)] if wrong]
    others = [text for text in inputs if Path(text).is_file() or Path(text).is_dir()]
    if any(Path(text).is_file() for text in others):
        faults.append(Fault("--case-id", "names one case, and a table names its own; leave it out"))
    elif len(others) + one_case > 1:
        faults.append(Fault("--case-id", f"names one case, and {len(others) + one_case} inputs are given"))
    return faults


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
    files = [Path(file) for _, _, file in given]
    return ([ScreeningCase(case_id or "case", scans, origin=partial(_origin, files))] if scans else []), faults


def _table(path: Path, phases: Sequence[str]) -> list[ScreeningCase]:
    cohort, faults = read_unlabeled_cohort(path, phases)
    if faults:
        raise CohortError(f"{path}: {counted(len(faults), 'fault')} in the table:", faults)
    return [
        ScreeningCase(
            case.id,
            {phase: nifti_source(files.image) for phase, files in case.scans.items()},
            origin=partial(_origin, [files.image for files in case.scans.values()]),
        )
        for case in cohort.cases
    ]


def _origin(files: Sequence[Path]) -> Origin:
    """Give the folders of files that say nothing of a patient."""
    return Origin(tuple(sorted({str(file.resolve().parent) for file in files})))


def _folder(path: Path, phases: Sequence[str], asked: Asked, say: Callable[[str], None]) -> list[ScreeningCase]:
    require_extra("dicom", f"{path}: reading DICOM")
    from pnetkit.screening.dicom_cases import dicom_cases  # noqa: PLC0415  # needs the extra
    from pnetkit.screening.series_choice import SeriesRules  # noqa: PLC0415

    rules = SeriesRules(asked.uids, asked.descriptions, asked.by, asked.learned_mm)
    return dicom_cases(
        path,
        phases,
        rules,
        case_id=asked.case_id,
        write_dicom=asked.write_dicom,
        same_patient=asked.same_patient,
        say=say,
    )


def _rule_faults(asked: Asked, phases: Sequence[str]) -> list[Fault]:
    faults = [
        Fault(f"--{option} {phase}=...", f"the model knows no phase {phase!r}.{did_you_mean(phase, phases)}")
        for option, by_phase in (("series", asked.uids), ("description", asked.descriptions))
        for phase in by_phase
        if phase not in phases
    ]
    for phase, pattern in asked.descriptions.items():
        try:
            re.compile(pattern)
        except re.error as error:
            faults.append(Fault(f"--description {phase}={pattern}", f"is no regular expression ({error})"))
    return faults
