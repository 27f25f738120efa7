"""Decode the attributes of a file at one place, where it is read: afterwards asking for one cannot fail.

pydicom decodes a value when it is asked for, so that in damaged bytes any access raises whatever its parsers meet. What
pnetkit relies on (`RELIED_ON`) is a fault of the file where it cannot be read, or is of another kind than DICOM says;
what else it asks for (`DESCRIBING`) is left out then. No other attribute of a scan is asked for.
"""

from copy import deepcopy
from functools import lru_cache
from typing import Any

import pydicom
from pydicom.config import disable_value_validation
from pydicom.datadict import dictionary_VM, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import PersonName

RELIED_ON = (
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "FrameOfReferenceUID",
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex",
    "Modality", "ImageType", "SeriesDescription",
    "NumberOfFrames", "SamplesPerPixel", "Rows", "Columns",
    "ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing",
    "RescaleSlope", "RescaleIntercept",
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
)  # fmt: skip
"""What decides whose scan it is, of which phase, where its voxels lie, and what they mean."""

DESCRIBING = (
    "AcquisitionNumber", "AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime", "TemporalPositionIdentifier",
    "TriggerTime", "SeriesDate", "ContentTime", "SliceThickness", "ConvolutionKernel",
    "PixelPaddingValue", "PixelPaddingRangeLimit",
    "StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "SpecificCharacterSet",
)  # fmt: skip
"""What tells scans apart or describes them, and may be absent."""

_WHOLE_NUMBERS = {"IS", "US", "SS", "UL", "SL", "UV", "SV"}
_NUMBERS = _WHOLE_NUMBERS | {"DS", "FL", "FD"}
_TEXTS = {"AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
_SHOWN = _NUMBERS | {"UI", "CS"}  # texts may name the patient
_MOST_SHOWN = 40


def settle(header: pydicom.Dataset) -> list[str]:
    """Decode what pnetkit asks for, and say of each attribute that it relies on and cannot read: name, got, wanted.

    Attributes that cannot be read are taken out of `header`. Nothing is said that a text holds: it may be of a patient.
    """
    wrong = []
    with disable_value_validation():  # what it warns of quotes values, birth dates too
        for keyword, tag in _asked_for():
            if tag not in header:
                continue
            raw = header.get_item(tag)  # as the file holds it; decoding puts another in its place
            if not _readable(header, tag) and keyword in RELIED_ON:
                wrong.append(f"{keyword} is {_in_words(tag, raw)}, wanted {_wanted(tag)}")
        meta = header.file_meta if isinstance(header, pydicom.FileDataset) else pydicom.Dataset()
        for tag in list(meta.keys()):
            _readable(meta, tag)
    return wrong


@lru_cache(maxsize=1)
def _asked_for() -> tuple[tuple[str, BaseTag], ...]:
    """Give the tag of each attribute that is asked for: a study has thousands of images."""
    return tuple((keyword, Tag(keyword)) for keyword in (*RELIED_ON, *DESCRIBING))


def readable_copy(header: pydicom.Dataset) -> pydicom.Dataset:
    """Give a copy with all attributes decoded, without those that cannot be read: others may ask it for anything."""
    copy = deepcopy(header)
    with disable_value_validation():
        for tag in list(copy.keys()):
            _readable(copy, tag)
    return copy


def _readable(header: pydicom.Dataset, tag: BaseTag) -> bool:
    """Decode an attribute, and take it out where that fails or gives something of another kind."""
    try:
        readable = _is_of_its_kind(header[tag])
    except Exception:  # noqa: BLE001  # pydicom raises whatever its parsers meet in damaged bytes
        readable = False
    if not readable:
        del header[tag]
    return readable


def _is_of_its_kind(element: DataElement) -> bool:
    """Tell whether a value is text or numbers as the dictionary says, and one where it says one."""
    kind, several = _kind(element.tag)
    value = element.value
    if value is None or kind is None:
        return True
    if isinstance(value, MultiValue) and not several and (kind in _NUMBERS or kind == "UI"):
        return False
    parts = value if isinstance(value, MultiValue) else [value]
    wanted: tuple[type, ...] = (
        (str, PersonName) if kind in _TEXTS else (int,) if kind in _WHOLE_NUMBERS else (int, float)
    )
    return all(isinstance(part, wanted) or part == "" for part in parts)  # an empty number is an empty text


@lru_cache(maxsize=4096)
def _kind(tag: BaseTag) -> tuple[str | None, bool]:
    """Give the kind of value in the dictionary, where it is text or numbers, and whether there may be several."""
    try:
        kind, several = dictionary_VR(tag), dictionary_VM(tag) != "1"
    except KeyError:  # private
        return None, False
    return (kind if kind in _NUMBERS | _TEXTS else None), several


def _in_words(tag: BaseTag, raw: DataElement | RawDataElement) -> str:
    """Give what a file holds, as far as it may be shown."""
    found: Any = raw.VR or dictionary_VR(tag)
    value: Any = raw.value
    if dictionary_VR(tag) not in _SHOWN or not isinstance(value, bytes | str | int | float):
        return f"unreadable as {found}"
    text = repr(value)
    return f"{text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + '…'} ({found})"


def _wanted(tag: BaseTag) -> str:
    kind, count = dictionary_VR(tag), dictionary_VM(tag)
    if kind in _TEXTS:
        return "one UID" if kind == "UI" else "text"
    what = "whole number" if kind in _WHOLE_NUMBERS else "number"
    return f"a {what}" if count == "1" else f"{count} {what}s"
