"""Tell what an image of a study is: an original axial CT image, of which volumes are stacked, or what else."""

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pydicom
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage

Kind = Literal["axial", "localizer", "dose report", "enhanced", "reformatted", "derived", "secondary", "other"]

LEAST_AXIAL = 0.8
"""Cosine between an image's normal and the body's axis; below it an image is a reformat to another plane."""

_ENHANCED = {EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage}
_DOSE_REPORTS = {"1.2.840.10008.5.1.4.1.1.88.67", "1.2.840.10008.5.1.4.1.1.88.75"}
_SECONDARY_CAPTURES = "1.2.840.10008.5.1.4.1.1.7"

_LOCALIZER = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SCANOGRAM", "SURVIEW"}
_REFORMATTED = {"REFORMATTED", "MPR", "CSAMPR", "CSA MPR", "MIP", "MINIP", "PROJECTION IMAGE", "CURVED", "CSA 3D",
                "VRT", "RESAMPLED", "CPR"}  # fmt: skip
_DOSE = re.compile(
    r"dos(e|is|i|age)[ _-]?(report|info|record|sheet|summary|bericht|protokoll|page)|dosimetri|rapport.*dose|"
    r"informe.*dosis|patient[ _-]?protocol|patientenprotokoll|ct_som\w* prot",
    re.IGNORECASE,
)


def image_kind(header: pydicom.Dataset) -> Kind:
    """Tell what an image is, by its SOP class, modality, image type and direction.

    What a header does not say speaks against nothing: a CT image without image type or direction is an axial one, and
    that it cannot be placed is said when it is read.
    """
    image_type = [part.strip().upper() for part in _text(header, "ImageType").split("\\") if part.strip()]
    if _is_dose_report(header, image_type):
        return "dose report"
    sop_class, modality = _text(header, "SOPClassUID"), _text(header, "Modality")
    if _is_capture(sop_class):
        return "secondary"
    if sop_class in _ENHANCED or (modality == "CT" and _text(header, "NumberOfFrames") not in {"", "0", "1"}):
        return "enhanced"
    is_ct = sop_class in {CTImageStorage, ""} and modality in {"CT", ""} and bool(sop_class or modality)
    if not is_ct or _text(header, "SamplesPerPixel") not in {"", "1"}:
        return "other"
    return _ct_kind(image_type, _is_axial(header))


def _ct_kind(image_type: Sequence[str], axial: bool | None) -> Kind:
    if _LOCALIZER & set(image_type):
        return "localizer"
    if axial is False or _REFORMATTED & set(image_type):
        return "reformatted"
    if image_type[:1] == ["DERIVED"]:
        return "derived"
    return "secondary" if image_type[1:2] == ["SECONDARY"] else "axial"


def _is_dose_report(header: pydicom.Dataset, image_type: Sequence[str]) -> bool:
    """Tell a dose report: by its SOP class, or as a picture of one by what it is called."""
    sop_class = _text(header, "SOPClassUID")
    if sop_class in _DOSE_REPORTS:
        return True
    picture = _is_capture(sop_class) or bool({"DERIVED", "SECONDARY"} & set(image_type[:2]))
    if not picture and _is_axial(header) is not None:
        return False
    said = " ".join([_text(header, "SeriesDescription"), *image_type])
    return _text(header, "Modality") in {"CT", "SR", "OT", ""} and bool(_DOSE.search(said))


def _is_capture(sop_class: str) -> bool:
    return sop_class == _SECONDARY_CAPTURES or sop_class.startswith(f"{_SECONDARY_CAPTURES}.")


def in_words(kind: str, count: int) -> str:
    """Say how many images there are of a kind."""
    names = {"localizer": "localizers", "dose report": "dose reports"}
    if kind in names:
        return f"{count} {names[kind] if count > 1 else kind}"
    known = {
        "enhanced": "enhanced (multi-frame)",
        "other": "other than CT",
        "single": "at one place",
        "mixed": "of several kinds in one stack",
    }
    return f"{count} {known.get(kind, kind)}"


def _is_axial(header: pydicom.Dataset) -> bool | None:
    """Tell whether an image lies across the body; None where it does not say how it lies."""
    said = _text(header, "ImageOrientationPatient").split("\\")
    try:
        row, column = np.array([float(part) for part in said]).reshape(2, 3)
    except ValueError:
        return None
    return bool(abs(np.cross(row, column)[2]) > LEAST_AXIAL)


def _text(header: pydicom.Dataset, keyword: str) -> str:
    """Give an attribute as text, several values with backslashes between."""
    value: Any = header.get(keyword)
    if value is None:
        return ""
    return "\\".join(map(str, value)) if isinstance(value, pydicom.multival.MultiValue) else str(value).strip()
