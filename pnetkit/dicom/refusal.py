"""Write a report that says that there is no finding, and why: a silence could be read as a negative."""

from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import pydicom
from highdicom import sr
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import CTImageStorage, generate_uid

from pnetkit.dicom.attributes import settle
from pnetkit.dicom.files import read_file
from pnetkit.dicom.results import DECISION, observed_by
from pnetkit.dicom.series import Instance, Series
from pnetkit.dicom.source_headers import MANUFACTURER, RESEARCH, SERIES_NUMBER, Author, save, source_header
from pnetkit.errors import ImageError

NO_FINDING = Code("NO_FINDING", "99PNETKIT", "No finding: the study was not screened")
"""Stands where a report of a finding says normal or abnormal."""

TITLE = f"pnetkit: NOT SCREENED, {RESEARCH}"

MOST_REFERRED = 2000
"""Images that a report refers to; a study of more has the first of them."""


def write_refusal(path: Path, study: Path, reason: str, author: Author, *, mark: str = "") -> pydicom.Dataset:
    """Write a TID 1500 report into the study of the images in a folder, and give what was written.

    It holds no measurement and no answer: only that there is no finding, with `reason` as a comment. `mark` makes its
    UIDs others, for a study that is refused again.

    Raises:
        ImageError: no image can be read, so that nobody knows which study it would belong to.
    """
    headers = _headers(study)
    if not headers:
        raise ImageError("No image of the study can be read, so no report can be written into it.")
    text = reason.replace(f"{study}/", "").encode("ascii", "replace").decode()  # any character set has these
    uids = sorted(str(header.SOPInstanceUID) for header in headers)

    def own(what: str) -> str:
        return str(generate_uid(entropy_srcs=[what, author.digest, text, mark, *uids]))

    answer = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=own("decision"), identifier="decision"),
        qualitative_evaluations=[sr.QualitativeEvaluation(DECISION, NO_FINDING)],
    )
    report = sr.MeasurementReport(
        observation_context=observed_by(author),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[answer],
        title=codes.DCM.ImagingMeasurementReport,
    )
    comment = sr.TextContentItem(codes.DCM.Comment, text, hd.sr.RelationshipTypeValues.CONTAINS)
    report[0].ContentSequence.append(comment)
    written = sr.Comprehensive3DSR(
        evidence=headers,
        content=report,
        series_instance_uid=own("refusal series"),
        series_number=SERIES_NUMBER + 1,
        sop_instance_uid=own("refusal"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        series_description=TITLE,
    )
    save(path, written)
    return written


def refusal_in(report: pydicom.Dataset) -> str | None:
    """Give the reason of a report that says that there is no finding; None for any other report."""
    for item in report.get("ContentSequence", []):
        if item.ValueType == "TEXT" and item.ConceptNameCodeSequence[0].CodeValue == codes.DCM.Comment.value:
            return str(item.TextValue)
    return None


def _headers(study: Path) -> Sequence[pydicom.Dataset]:
    """Give the headers of a study's images, those that can be read and are of the first one's study."""
    headers: list[pydicom.Dataset] = []
    for path in sorted(study.iterdir()):
        try:
            header = read_file(path, voxels=False)
            settle(header)
            uids = [str(header[name].value) for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
            instance = Instance(path, header, uids[2])
            header = source_header(Series(uids[0], uids[1], (instance,)), instance)
        except Exception:  # noqa: BLE001  # damaged is what it may be: that is why it is refused
            continue
        header.SOPClassUID = header.get("SOPClassUID") or CTImageStorage
        if not headers or header.StudyInstanceUID == headers[0].StudyInstanceUID:
            headers.append(header)
        if len(headers) == MOST_REFERRED:
            break
    return headers
