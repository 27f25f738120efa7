"""What every result takes over from the images it comes from: patient and study, and UIDs that follow from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from pydicom.uid import CTImageStorage, generate_uid
from pydicom.valuerep import DA, TM

from pnetkit.dicom.attributes import readable_copy
from pnetkit.dicom.geometry import Stack
from pnetkit.dicom.series import Instance, Series
from pnetkit.files import write_atomically

MANUFACTURER, SERIES_NUMBER = "pnetkit", 9000
RESEARCH = "RESEARCH USE ONLY"

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


@dataclass(frozen=True, slots=True)
class Author:
    """Name the model that wrote a result; `digest` makes the results' UIDs its own."""

    name: str
    digest: str


def source_headers(series: Series, pile: Stack) -> list[pydicom.Dataset]:
    """Give the headers of the images in the stack's order, with UIDs where the files have none."""
    sources = []
    for instance in pile.instances:
        header = source_header(series, instance)
        if not header.get("FrameOfReferenceUID"):
            header.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame of reference", series.uid])
        if not header.get("SliceThickness"):
            header.SliceThickness = round(float(np.linalg.norm(pile.affine[:3, 2])), 6)
        sources.append(header)
    return sources


def source_header(series: Series, instance: Instance) -> pydicom.Dataset:
    """Give the header of an image as results take it over: with UIDs, empty where it was taken away."""
    header = readable_copy(instance.header)
    header.StudyInstanceUID, header.SeriesInstanceUID = series.study_uid, series.uid
    header.SOPInstanceUID = instance.uid
    header.SOPClassUID = header.get("SOPClassUID") or CTImageStorage
    _leave_empty(header)
    return header


def save(path: Path, written: pydicom.Dataset) -> None:
    """Write a result complete or not at all."""
    packed = BytesIO()
    written.save_as(packed, enforce_file_format=True)
    write_atomically(path, packed.getvalue())


def own_uid(author: Author, series: Series, what: str) -> str:
    """Make a UID that is the same whenever a model speaks of a series, or of one acquisition of a series."""
    return str(generate_uid(entropy_srcs=[what, author.digest, series.name]))


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
