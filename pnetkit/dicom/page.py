"""Write a page about a case as DICOM: an encapsulated PDF in the study of the images that it is about.

Its header carries the identity of patient and study, as a PACS needs it; the page itself says no more than it did.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, EncapsulatedPDFStorage, ExplicitVRLittleEndian

from pnetkit.dicom.series import Instance, Series
from pnetkit.dicom.source_headers import (
    MANUFACTURER,
    MAY_BE_EMPTY,
    RESEARCH,
    SERIES_NUMBER,
    Author,
    own_uid,
    save,
    source_header,
)

_TAKEN_OVER = ("SpecificCharacterSet", "StudyInstanceUID", "ReferringPhysicianName", *MAY_BE_EMPTY)


def write_page(path: Path, pdf: bytes, about: Sequence[Series], author: Author) -> pydicom.Dataset:
    """Write a PDF into the study of the first of the series that it is about, and give what was written."""
    first = about[0]
    header, written, now = source_header(first, first.instances[0]), pydicom.Dataset(), datetime.now(UTC).astimezone()
    for keyword in _TAKEN_OVER:
        if keyword in header:
            written[keyword] = header[keyword]
    if "ReferringPhysicianName" not in written:
        written.ReferringPhysicianName = ""
    written.SOPClassUID, written.SOPInstanceUID = EncapsulatedPDFStorage, own_uid(author, first, "PDF")
    written.InstanceCreationDate, written.InstanceCreationTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    written.Modality, written.SeriesInstanceUID = "DOC", own_uid(author, first, "PDF series")
    written.SeriesNumber, written.InstanceNumber = SERIES_NUMBER + 2, 1
    written.SeriesDescription = f"pnetkit page, {RESEARCH}"
    written.Manufacturer, written.ManufacturerModelName = MANUFACTURER, f"pnetkit {author.name}"[:64]
    written.DeviceSerialNumber, written.SoftwareVersions = author.digest[:16], version("pnetkit")
    written.ConversionType = "WSD"
    written.ContentDate, written.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    written.AcquisitionDateTime = ""
    written.BurnedInAnnotation = "YES"  # a case's id may be one by which the patient is known
    written.DocumentTitle = f"pnetkit finding, {RESEARCH}"
    written.ConceptNameCodeSequence = []
    written.SourceInstanceSequence = [_reference(of) for series in about for of in series.instances]
    written.MIMETypeOfEncapsulatedDocument = "application/pdf"
    written.EncapsulatedDocumentLength = len(pdf)
    written.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    written.file_meta = FileMetaDataset()
    written.file_meta.MediaStorageSOPClassUID = written.SOPClassUID
    written.file_meta.MediaStorageSOPInstanceUID = written.SOPInstanceUID
    written.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    save(path, written)
    return written


def _reference(instance: Instance) -> pydicom.Dataset:
    """Refer to an image by its UIDs."""
    reference = pydicom.Dataset()
    reference.ReferencedSOPClassUID = instance.header.get("SOPClassUID") or CTImageStorage
    reference.ReferencedSOPInstanceUID = instance.uid
    return reference
