"""Make cases of the studies in a DICOM folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pnetkit.dicom.homeless import homeless
from pnetkit.dicom.page import write_page
from pnetkit.dicom.patient import contradictions, values_of
from pnetkit.dicom.results import Said, write_report, write_segmentation
from pnetkit.dicom.series import Found, Series, case_id_of, find_series
from pnetkit.dicom.source_headers import Author
from pnetkit.dicom.stacks import Study, sort_study
from pnetkit.dicom.volume import SeriesScan, read_series
from pnetkit.errors import CohortError, Fault, SeriesError
from pnetkit.files import file_digest
from pnetkit.screening.series_choice import Choice, SeriesRules, choose_series
from pnetkit.screening.source import Answer, Loaded, Origin, PageWriter, ScanSource, ScreeningCase


def dicom_cases(
    folder: Path,
    phases: Sequence[str],
    rules: SeriesRules,
    *,
    case_id: str | None,
    write_dicom: bool,
    same_patient: bool,
    say: Callable[[str], None],
) -> list[ScreeningCase]:
    """Give a case for each study of a folder that has CT; with UIDs by phase one case of these series.

    With `same_patient` images that contradict each other about their patient make a case all the same, which says so.

    Raises:
        CohortError: the folder holds no CT series, or several studies where one case is spoken of.
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
    groups = _groups(folder, found, studies, rules, case_id=case_id, same_patient=same_patient)
    for uid, study in studies.items() if groups and not rules.uids else ():
        if not _has_scans(study):
            say(f"note: the study of {case_id_of(uid)} holds no scan: {study.left_out_in_words}")
    if not groups:
        counted = _together(list(studies.values())).left_out_in_words
        said = f"{len(found.series)} series, none of them a stack of axial CT{f' ({counted})' if counted else ''}"
        raise CohortError("These inputs cannot be screened:", list(found.faults) or [Fault(str(folder), said)])
    stray = _stray_faults(found)
    for fault in stray:
        say(f"note: {fault}")
    cases = []
    for name, of in groups.items():
        case = _case(name, of, found, phases, rules, write_dicom=write_dicom, same_patient=same_patient)
        cases.append(replace(case, origin=partial(_origin, of.series, tuple(rules.uids.values()))))
    return cases


def _groups(
    folder: Path,
    found: Found,
    studies: Mapping[str, Study],
    rules: SeriesRules,
    *,
    case_id: str | None,
    same_patient: bool,
) -> dict[str, Study]:
    """Give the series of each case by its id. Raises CohortError where one case is spoken of and there are several."""
    if rules.uids:  # phases may come from two studies of a patient
        return {case_id or case_id_of(_study_of(found.series, rules)): _together(list(studies.values()))}
    groups = {case_id_of(uid): study for uid, study in studies.items() if _has_scans(study)}
    faults = []
    if case_id and len(groups) > 1:
        faults.append(Fault("--case-id", f"names one case, and {folder} holds {len(groups)} studies; leave it out"))
    if same_patient and len(groups) > 1:
        wrong = f"is said of one case, and {folder} holds {len(groups)} studies; name its series with --series"
        faults.append(Fault("--same-patient", wrong))
    if faults:
        raise CohortError("These inputs cannot be screened:", faults)
    return {case_id: next(iter(groups.values()))} if case_id and groups else groups


def _origin(study: Sequence[Series], named: Sequence[str]) -> Origin:
    """Say where series come from: those that were named, or all of a study."""
    uids = {uid.partition("/")[0] for uid in named}
    meant = [series for series in study if not uids or series.uid in uids]
    instances = [instance for series in meant for instance in series.instances]
    return Origin(
        tuple(sorted({str(instance.path.resolve().parent) for instance in instances})),
        values_of(instances, "PatientID"),
        values_of(instances, "PatientName"),
        tuple(sorted({series.study_uid for series in meant})),
    )


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
    name: str,
    study: Study,
    found: Found,
    phases: Sequence[str],
    rules: SeriesRules,
    *,
    write_dicom: bool,
    same_patient: bool,
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
    if apart and not same_patient:
        return ScreeningCase(name, {}, _two_patients(chosen, apart))
    missing = [phase for phase in phases if phase not in chosen and not rules.uids]
    suspects = homeless(study.series, found) if missing else []
    if suspects:
        said = f"{' and '.join(missing)} cannot be called missing, as these images may belong to the study:"
        return ScreeningCase(name, {}, "\n    ".join([said, *suspects]))
    overruled = (
        f"images contradict each other about the patient, in {', '.join(apart)}; taken for one patient's, as asked for"
    )
    scans = {phase: dicom_source(choice, write_dicom) for phase, choice in chosen.items()}
    flags = _left_out_flags(study, chosen)
    wrap = _page_writer([choice.series for choice in chosen.values()]) if write_dicom else None
    return ScreeningCase(name, scans, flags=flags, overruled=overruled if apart else "", wrap_page=wrap)


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
        "patients at once. Name series of one patient, or mend the headers if they are wrong; --same-patient takes "
        "them for one patient's all the same."
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
        said = Said(answer.abnormal, answer.case_abnormal, answer.volume_mm3, answer.overruled, answer.places)
        segmentation = write_segmentation(stem.with_name(f"{stem.name}_segmentation.dcm"), labels, series, pile, author)
        write_report(stem.with_name(f"{stem.name}_report.dcm"), segmentation, series, pile, said, author)

    about = {"kind": "DICOM", "images": str(len(series.instances)), "chosen_by": choice.by}
    return ScanSource(load, digest, about, write if write_dicom else None)


def _page_writer(about: Sequence[Series]) -> PageWriter:
    """Give what writes a page about series into their study."""

    def wrap(path: Path, pdf: bytes, model_name: str, model_digest: str) -> None:
        write_page(path, pdf, about, Author(model_name, model_digest))

    return wrap


def _study_of(series: Sequence[Series], rules: SeriesRules) -> str:
    wanted = next(iter(rules.uids.values())).partition("/")[0]
    return next((of.study_uid for of in series if of.uid == wanted), wanted)


def _stray_faults(found: Found) -> list[Fault]:
    """Give the damaged files that lie beside no image of any study."""
    places = {instance.path.parent for series in found.series for instance in series.instances}
    return [fault for fault in found.faults if Path(fault.where).parent not in places]
