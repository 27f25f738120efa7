"""Open DICOM files: those without preamble or meta header too, and copies that differ in their headers only."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

_BEGINNINGS = (b"\x08\x00", b"\x02\x00", b"\x00\x08")
"""Groups that a file without preamble begins with: the identification (either byte order), or the meta header."""

_SHOWN = (
    *("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation", "RescaleSlope"),
    *("RescaleIntercept", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Modality", "ImageType"),
    *("PatientID", "PatientBirthDate", "PatientSex", "PatientName"),
)
"""What makes an image: its values, where they lie, what it is, and whose."""


def read_file(path: Path, *, voxels: bool) -> pydicom.Dataset:
    """Read a DICOM file, with or without its voxels. Where it does not name its encoding, it is what the bytes show.

    Raises:
        InvalidDicomError: the file is none of DICOM. pydicom raises much else for damaged bytes.
    """
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=not voxels)
    except InvalidDicomError:
        with path.open("rb") as stream:
            begins = stream.read(4)
        if begins[:2] not in _BEGINNINGS or begins == b"\x00\x08\x00\x00":
            raise
        dataset = pydicom.dcmread(path, stop_before_pixels=not voxels, force=True)
        if not ("SOPClassUID" in dataset or "Modality" in dataset):
            raise
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return dataset


def same_image(one: Path, other: Path) -> bool:
    """Tell whether two files hold the same image of the same patient, whatever else their headers say.

    Where they are packed differently, as a scanner and an archive send one image, the voxels are compared unpacked.
    """
    first, second = read_file(one, voxels=True), read_file(other, voxels=True)
    packed_alike = first.file_meta.TransferSyntaxUID == second.file_meta.TransferSyntaxUID
    compared = _SHOWN if packed_alike else [keyword for keyword in _SHOWN if keyword != "PixelData"]
    if not all(first.get(keyword) == second.get(keyword) for keyword in compared):
        return False
    return packed_alike or np.array_equal(first.pixel_array, second.pixel_array)
