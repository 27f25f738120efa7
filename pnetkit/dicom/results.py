"""Write a finding as DICOM: a segmentation (SEG) and a structured report (SR, TID 1500) on the images it comes from.

They carry the identity of the patient and study of their images, as a PACS needs it. Codes are SNOMED CT's, where it
has one; the decision has codes of pnetkit's own (scheme 99PNETKIT).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from highdicom import seg, sr
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import DA, TM

from pnetkit.dicom.attributes import readable_copy
from pnetkit.dicom.geometry import Stack
from pnetkit.dicom.series import Series
from pnetkit.dicom.volume import on_images
from pnetkit.files import write_atomically
from pnetkit.types import DUCT, PANCREAS, TUMOR

SEGMENTS = {
    PANCREAS: ("Pancreas", codes.SCT.AnatomicalStructure, codes.SCT.Pancreas),
    TUMOR: ("Pancreatic tumor", codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Neoplasm),
    DUCT: ("Dilated pancreatic duct", codes.SCT.AnatomicalStructure, codes.SCT.PancreaticDuct),
}
"""Label, category and type of each segment; its number is the label value."""

DECISION = Code("DECISION", "99PNETKIT", "Screening decision (research use only)")
ANSWERS = {True: Code("ABNORMAL", "99PNETKIT", "Abnormal"), False: Code("NORMAL", "99PNETKIT", "Normal")}

PATIENT = Code("PATIENT_IDENTITY", "99PNETKIT", "Identity of the patient (research use only)")
OVERRULED = Code("CONTRADICTED", "99PNETKIT", "Images contradict each other; overruled by the user")
"""What a report says where the images of a case contradict each other about their patient."""

MAY_BE_EMPTY: Mapping[str, Callable[[Any], object]] = {
    "PatientID": str,
    "PatientName": str,
    "PatientBirthDate": DA,
    "PatientSex": hd.PatientSexValues,
    "StudyID": str,
    "AccessionNumber": str,
    "StudyDate": DA,
    "StudyTime": TM,
}
"""What every result has to have and may leave empty (type 2), and what each value has to be readable as."""

_MANUFACTURER, _SERIES_NUMBER = "pnetkit", 9000
_RESEARCH = "RESEARCH USE ONLY"


@dataclass(frozen=True, slots=True)
class Said:
    """Hold what a report says of one series: the decision on it and on the case, and mm³ by label value.

    `overruled` says that the images of the case contradict each other about the patient, and were taken all the same.
    """

    abnormal: bool
    case_abnormal: bool
    volume_mm3: Mapping[int, float]
    overruled: bool = False


@dataclass(frozen=True, slots=True)
class Author:
    """Name the model that wrote a result; `digest` makes the results' UIDs its own."""

    name: str
    digest: str


def write_segmentation(
    path: Path, labels: NDArray[np.uint8], series: Series, pile: Stack, author: Author
) -> pydicom.Dataset:
    """Write labels (RAS+ order) as a binary SEG on the images of a series, and give what was written."""
    frames = on_images(labels, pile)
    algorithm = hd.AlgorithmIdentificationSequence(
        name=f"pnetkit {author.name}", family=codes.DCM.ArtificialIntelligence, version=version("pnetkit")
    )
    described = [
        seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=category,
            segmented_property_type=kind,
            algorithm_type=seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            anatomic_regions=[codes.SCT.Pancreas] if number != PANCREAS else None,
            tracking_uid=_uid(author, series, f"segment {number}"),
            tracking_id=f"{label} of pnetkit",
        )
        for number, (label, category, kind) in SEGMENTS.items()
    ]
    written = seg.Segmentation(
        source_images=_sources(series, pile),
        pixel_array=frames,
        segmentation_type=seg.SegmentationTypeValues.BINARY,
        segment_descriptions=described,
        series_instance_uid=_uid(author, series, "SEG series"),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=_uid(author, series, "SEG"),
        instance_number=1,
        manufacturer=_MANUFACTURER,
        manufacturer_model_name=f"pnetkit {author.name}",
        software_versions=version("pnetkit"),
        device_serial_number=author.digest[:16],
        content_description=_RESEARCH,
        content_label="PNETKIT",
        series_description=f"pnetkit segmentation, {_RESEARCH}",
        omit_empty_frames=bool(frames.any()),
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    _save(path, written)
    return written


def write_report(
    path: Path, segmentation: pydicom.Dataset, series: Series, pile: Stack, said: Said, author: Author
) -> pydicom.Dataset:
    """Write a TID 1500 report that refers to the segments of a SEG and to its images, and give what was written."""
    device = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(entropy_srcs=["pnetkit", author.digest]),
            name=f"pnetkit {author.name}",
            manufacturer_name=_MANUFACTURER,
            model_name=author.name,
        ),
    )
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=device),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[_answers(series, said, author), *_volumes(segmentation, series, said, author)],
        title=codes.DCM.ImagingMeasurementReport,
    )
    sources = _sources(series, pile)
    written = sr.Comprehensive3DSR(
        evidence=[segmentation, *sources],
        content=report,
        series_instance_uid=_uid(author, series, "SR series"),
        series_number=_SERIES_NUMBER + 1,
        sop_instance_uid=_uid(author, series, "SR"),
        instance_number=1,
        manufacturer=_MANUFACTURER,
        is_complete=True,
        series_description=f"pnetkit report, {_RESEARCH}",
    )
    _save(path, written)
    return written


def _volumes(segmentation: pydicom.Dataset, series: Series, said: Said, author: Author) -> list[Any]:
    """Give a group of measurements for each segment: what it is, where it is drawn, its volume."""
    return [
        sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(
                uid=_uid(author, series, f"segment {number}"), identifier=f"{label} of pnetkit"
            ),
            referenced_segment=sr.ReferencedSegment(
                sop_class_uid=segmentation.SOPClassUID,
                sop_instance_uid=segmentation.SOPInstanceUID,
                segment_number=number,
                source_series=sr.SourceSeriesForSegmentation(referenced_series_instance_uid=series.uid),
            ),
            finding_type=kind,
            finding_sites=[sr.FindingSite(codes.SCT.Pancreas)],
            measurements=[
                sr.Measurement(
                    name=codes.SCT.Volume,
                    value=round(said.volume_mm3[number], 3),
                    unit=codes.UCUM.CubicMillimeter,
                )
            ],
        )
        for number, (label, _, kind) in SEGMENTS.items()
    ]


def _answers(series: Series, said: Said, author: Author) -> Any:
    """Give the decisions, on this series and on the case."""
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=_uid(author, series, "decision"), identifier="decision"),
        qualitative_evaluations=[
            sr.QualitativeEvaluation(DECISION, ANSWERS[said.abnormal]),
            sr.QualitativeEvaluation(
                Code("CASE_DECISION", "99PNETKIT", "Decision over all phases (research use only)"),
                ANSWERS[said.case_abnormal],
            ),
            *([sr.QualitativeEvaluation(PATIENT, OVERRULED)] if said.overruled else []),
        ],
    )


def _sources(series: Series, pile: Stack) -> list[pydicom.Dataset]:
    """Give the headers of the images in the stack's order, with UIDs where the files have none."""
    sources = []
    for instance in pile.instances:
        header = readable_copy(instance.header)
        header.StudyInstanceUID, header.SeriesInstanceUID = series.study_uid, series.uid
        header.SOPInstanceUID = instance.uid
        header.SOPClassUID = header.get("SOPClassUID") or CTImageStorage
        if not header.get("FrameOfReferenceUID"):
            header.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame of reference", series.uid])
        if not header.get("SliceThickness"):
            header.SliceThickness = round(float(np.linalg.norm(pile.affine[:3, 2])), 6)
        _leave_empty(header)
        sources.append(header)
    return sources


def _leave_empty(header: pydicom.Dataset) -> None:
    """Give a header what results have to have: empty where it was taken away, or holds a text in its place."""
    for keyword, kind in MAY_BE_EMPTY.items():
        value = header.get(keyword)
        try:
            if value is None or value == "":
                setattr(header, keyword, "")
            else:
                kind(value)
        except (TypeError, ValueError):
            setattr(header, keyword, "")


def _save(path: Path, written: pydicom.Dataset) -> None:
    """Write a result complete or not at all."""
    packed = BytesIO()
    written.save_as(packed)
    write_atomically(path, packed.getvalue())


def _uid(author: Author, series: Series, what: str) -> str:
    """Make a UID that is the same whenever a model speaks of a series, or of one acquisition of a series."""
    return str(generate_uid(entropy_srcs=[what, author.digest, series.name]))
