"""Make cases of the studies in a DICOM folder."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pnetkit.dicom.homeless import homeless
from pnetkit.dicom.patient import contradictions
from pnetkit.dicom.results import Author, Said, write_report, write_segmentation
from pnetkit.dicom.series import Found, Series, case_id_of, find_series
from pnetkit.dicom.stacks import Study, sort_study
from pnetkit.dicom.volume import SeriesScan, read_series
from pnetkit.errors import CohortError, Fault, SeriesError
from pnetkit.files import file_digest
from pnetkit.screening.series_choice import Choice, SeriesRules, choose_series
from pnetkit.screening.source import Answer, Loaded, ScanSource, ScreeningCase


def dicom_cases(
    folder: Path,
    phases: Sequence[str],
    rules: SeriesRules,
    *,
    case_id: str | None,
    write_dicom: bool,
    say: Callable[[str], None],
) -> list[ScreeningCase]:
    """Give a case for each study of a folder that has CT; with UIDs by phase one case of these series.

    Raises:
        CohortError: the folder holds no CT series.
    """
    found = find_series(folder)
    if found.others:
        say(f"note: {folder}: {found.others} files are no DICOM images")
    for note in found.notes:
        say(f"note: {note}")
    by_uid: dict[str, list[Series]] = {}
    for series in found.series:
        by_uid.setdefault(series.study_uid, []).append(series)
    studies = {uid: sort_study(of) for uid, of in by_uid.items()}
    if rules.uids:  # phases may come from two studies of a patient
        groups = {case_id or case_id_of(_study_of(found.series, rules)): _together(list(studies.values()))}
    else:
        groups = {case_id_of(uid): study for uid, study in studies.items() if _has_scans(study)}
        if case_id and len(groups) > 1:
            fault = Fault("--case-id", f"names one case, and {folder} holds {len(groups)} studies; leave it out")
            raise CohortError("These inputs cannot be screened:", [fault])
        if case_id and groups:
            groups = {case_id: next(iter(groups.values()))}
        for uid, study in studies.items():
            if groups and not _has_scans(study):
                say(f"note: the study of {case_id_of(uid)} holds no scan: {study.left_out_in_words}")
    if not groups:
        counted = _together(list(studies.values())).left_out_in_words
        said = f"{len(found.series)} series, none of them a stack of axial CT{f' ({counted})' if counted else ''}"
        raise CohortError("These inputs cannot be screened:", list(found.faults) or [Fault(str(folder), said)])
    stray = _stray_faults(found)
    for fault in stray:
        say(f"note: {fault}")
    return [_case(name, study, found, phases, rules, write_dicom) for name, study in groups.items()]


def _has_scans(study: Study) -> bool:
    """Tell whether a study holds scans, or what may be some in another form: that is said where they are chosen."""
    return bool(study.stacks) or any(left.may_be_volume for left in study.left_out)


def _together(studies: Sequence[Study]) -> Study:
    """Give several studies as one."""
    return Study(
        tuple(series for study in studies for series in study.series),
        tuple(series for study in studies for series in study.stacks),
        tuple(left for study in studies for left in study.left_out),
    )


def _case(
    name: str, study: Study, found: Found, phases: Sequence[str], rules: SeriesRules, write_dicom: bool
) -> ScreeningCase:
    places = {instance.path.parent for series in study.series for instance in series.instances}
    near = [fault for fault in found.faults if Path(fault.where).parent in places]
    if near:
        return ScreeningCase(name, {}, "\n    ".join(["images of this study are damaged:", *map(str, near)]))
    try:
        chosen = choose_series(study, phases, rules, lambda series: read_series(series).scan)
    except SeriesError as error:
        return ScreeningCase(name, {}, str(error))
    apart = contradictions(instance for choice in chosen.values() for instance in choice.series.instances)
    if apart:
        return ScreeningCase(name, {}, _two_patients(chosen, apart))
    missing = [phase for phase in phases if phase not in chosen and not rules.uids]
    suspects = homeless(study.series, found) if missing else []
    if suspects:
        said = f"{' and '.join(missing)} cannot be called missing, as these images may belong to the study:"
        return ScreeningCase(name, {}, "\n    ".join([said, *suspects]))
    sources = {phase: dicom_source(choice, write_dicom) for phase, choice in chosen.items()}
    return ScreeningCase(name, sources, flags=_left_out_flags(study, chosen))


def _left_out_flags(study: Study, chosen: Mapping[str, Choice]) -> tuple[str, ...]:
    """Count what else the studies hold: series of which no scan can be made, and scans that no phase took."""
    studies = {choice.series.study_uid for choice in chosen.values()}
    uids = {choice.series.uid for choice in chosen.values()}
    others = (left for left in study.left_out if left.series.study_uid in studies and left.series.uid not in uids)
    left = Study((), (), tuple(others))
    taken = {choice.series.name for choice in chosen.values()}
    scans = [series for series in study.stacks if series.study_uid in studies and series.name not in taken]
    flags = [f"other series of the study, left out: {left.left_out_in_words}"] if left.left_out else []
    return (*flags, *([f"scans of the study that no phase took: {len(scans)}"] if scans else []))


def _two_patients(chosen: Mapping[str, Choice], apart: Sequence[str]) -> str:
    """Say that a case's images are of more than one patient, without anything that they say of them."""
    of = ", ".join(f"{phase} is the series {choice.series.name}" for phase, choice in chosen.items())
    return (
        f"its images contradict each other about the patient, in {', '.join(apart)} ({of}). A finding would be of two "
        "patients at once. Name series of one patient, or mend the headers if they are wrong."
    )


def dicom_source(choice: Choice, write_dicom: bool) -> ScanSource:
    """Give a scan that is a DICOM series."""
    series = choice.series
    read: list[SeriesScan] = []

    def load() -> Loaded:
        read[:] = [read_series(series)]
        return Loaded(read[0].scan, read[0].scan.grid, (*read[0].flags, *choice.flags))

    def digest() -> str:
        of = sorted(file_digest(instance.path) for instance in series.instances)
        return sha256("".join(of).encode()).hexdigest()

    def write(stem: Path, labels: NDArray[np.uint8], answer: Answer) -> None:
        pile, author = read[0].stack, Author(answer.model_name, answer.model_digest)
        said = Said(answer.abnormal, answer.case_abnormal, answer.volume_mm3)
        segmentation = write_segmentation(stem.with_name(f"{stem.name}_segmentation.dcm"), labels, series, pile, author)
        write_report(stem.with_name(f"{stem.name}_report.dcm"), segmentation, series, pile, said, author)

    about = {"kind": "DICOM", "images": str(len(series.instances)), "chosen_by": choice.by}
    return ScanSource(load, digest, about, write if write_dicom else None)


def _study_of(series: Sequence[Series], rules: SeriesRules) -> str:
    wanted = next(iter(rules.uids.values())).partition("/")[0]
    return next((of.study_uid for of in series if of.uid == wanted), wanted)


def _stray_faults(found: Found) -> list[Fault]:
    """Give the damaged files that lie beside no image of any study."""
    places = {instance.path.parent for series in found.series for instance in series.instances}
    return [fault for fault in found.faults if Path(fault.where).parent not in places]
