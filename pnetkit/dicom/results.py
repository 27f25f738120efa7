"""Write a finding as DICOM: a segmentation (SEG) and a structured report (SR, TID 1500) on the images it comes from.

They carry the identity of the patient and study of their images, as a PACS needs it. Codes are SNOMED CT's, where it
has one; the decision has codes of pnetkit's own (scheme 99PNETKIT).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from highdicom import seg, sr
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from pnetkit.dicom.geometry import Stack
from pnetkit.dicom.place import Place
from pnetkit.dicom.series import Series
from pnetkit.dicom.source_headers import (
    MANUFACTURER,
    RESEARCH,
    SERIES_NUMBER,
    Author,
    own_uid,
    save,
    source_headers,
)
from pnetkit.dicom.volume import on_images
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


@dataclass(frozen=True, slots=True)
class Said:
    """Hold what a report says of one series: the decision on it and on the case, and mm³ by label value.

    `overruled` says that the images of the case contradict each other about the patient, and were taken all the same.
    `places` are those that the report points at.
    """

    abnormal: bool
    case_abnormal: bool
    volume_mm3: Mapping[int, float]
    overruled: bool = False
    places: Sequence[Place] = ()


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
            tracking_uid=own_uid(author, series, f"segment {number}"),
            tracking_id=f"{label} of pnetkit",
        )
        for number, (label, category, kind) in SEGMENTS.items()
    ]
    written = seg.Segmentation(
        source_images=source_headers(series, pile),
        pixel_array=frames,
        segmentation_type=seg.SegmentationTypeValues.BINARY,
        segment_descriptions=described,
        series_instance_uid=own_uid(author, series, "SEG series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=own_uid(author, series, "SEG"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=f"pnetkit {author.name}",
        software_versions=version("pnetkit"),
        device_serial_number=author.digest[:16],
        content_description=RESEARCH,
        content_label="PNETKIT",
        series_description=f"pnetkit segmentation, {RESEARCH}",
        omit_empty_frames=bool(frames.any()),
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    save(path, written)
    return written


def write_report(
    path: Path, segmentation: pydicom.Dataset, series: Series, pile: Stack, said: Said, author: Author
) -> pydicom.Dataset:
    """Write a TID 1500 report that refers to the segments of a SEG and to its images, and give what was written.

    It points at each place by its center in the patient, because many viewers show nothing of a report without that.
    """
    sources = source_headers(series, pile)
    frame = str(sources[0].FrameOfReferenceUID)
    report = sr.MeasurementReport(
        observation_context=observed_by(author),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[
            _answers(series, said, author),
            *_volumes(segmentation, series, said, author),
            *_places(frame, series, said, author),
        ],
        title=codes.DCM.ImagingMeasurementReport,
    )
    written = sr.Comprehensive3DSR(
        evidence=[segmentation, *sources],
        content=report,
        series_instance_uid=own_uid(author, series, "SR series"),
        series_number=SERIES_NUMBER + 1,
        sop_instance_uid=own_uid(author, series, "SR"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        series_description=f"pnetkit report, {RESEARCH}",
    )
    save(path, written)
    return written


def observed_by(author: Author) -> Any:
    """Say that a model made a report, and no person."""
    device = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(entropy_srcs=["pnetkit", author.digest]),
            name=f"pnetkit {author.name}",
            manufacturer_name=MANUFACTURER,
            model_name=author.name,
        ),
    )
    return sr.ObservationContext(observer_device_context=device)


def _volumes(segmentation: pydicom.Dataset, series: Series, said: Said, author: Author) -> list[Any]:
    """Give a group of measurements for each segment: what it is, where it is drawn, its volume."""
    return [
        sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(
                uid=own_uid(author, series, f"segment {number}"), identifier=f"{label} of pnetkit"
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


def _places(frame: str, series: Series, said: Said, author: Author) -> list[Any]:
    """Give a group of measurements for each place: a point in the images' frame of reference, and the volume there."""
    groups = []
    for of in said.places:
        label, _, kind = SEGMENTS[of.label]
        x, y, z = of.center_mm
        groups.append(
            sr.PlanarROIMeasurementsAndQualitativeEvaluations(
                tracking_identifier=sr.TrackingIdentifier(
                    uid=own_uid(author, series, f"place {of.label} {of.number}"),
                    identifier=f"{label} of pnetkit, {of.number} of {of.count}",
                ),
                referenced_region=sr.ImageRegion3D(
                    graphic_type=sr.GraphicTypeValues3D.POINT,
                    graphic_data=np.array([[-x, -y, z]]),  # LPS, as DICOM has it
                    frame_of_reference_uid=frame,
                ),
                finding_type=kind,
                finding_sites=[sr.FindingSite(codes.SCT.Pancreas)],
                measurements=[
                    sr.Measurement(
                        name=codes.SCT.Volume, value=round(of.volume_mm3, 3), unit=codes.UCUM.CubicMillimeter
                    )
                ],
                geometric_purpose=codes.DCM.CenterOfMass,
            )
        )
    return groups


def _answers(series: Series, said: Said, author: Author) -> Any:
    """Give the decisions, on this series and on the case."""
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=own_uid(author, series, "decision"), identifier="decision"),
        qualitative_evaluations=[
            sr.QualitativeEvaluation(DECISION, ANSWERS[said.abnormal]),
            sr.QualitativeEvaluation(
                Code("CASE_DECISION", "99PNETKIT", "Decision over all phases (research use only)"),
                ANSWERS[said.case_abnormal],
            ),
            *([sr.QualitativeEvaluation(PATIENT, OVERRULED)] if said.overruled else []),
        ],
    )
