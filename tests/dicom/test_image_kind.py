"""What images are: decided for each by its own header."""

import pydicom
import pytest
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage

from pnetkit.dicom.image_kind import image_kind, in_words

AXIAL, CORONAL = [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1]


def header(image_type=("ORIGINAL", "PRIMARY", "AXIAL"), *, orientation=AXIAL, **more):
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.Modality = CTImageStorage, "CT"
    if image_type:
        dataset.ImageType = list(image_type)
    if orientation:
        dataset.ImageOrientationPatient = orientation
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    return dataset


CAPTURE, DOSE_REPORT = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.88.67"


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("axial", header()),
        ("axial", header(["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"], SeriesDescription="ABD LOW DOSE REPORTABLE")),
        ("axial", header([])),
        ("axial", header([], orientation=None)),  # that it cannot be placed is said when it is read
        ("axial", header(Modality="")),
        ("axial", header(SOPClassUID="")),
        ("localizer", header(["ORIGINAL", "PRIMARY", "LOCALIZER"], orientation=CORONAL)),
        ("localizer", header(["ORIGINAL", "PRIMARY", "LOCALIZER"])),
        ("reformatted", header(orientation=CORONAL)),
        ("reformatted", header(["DERIVED", "SECONDARY", "MPR"])),
        ("reformatted", header(["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"])),
        ("derived", header(["DERIVED", "SECONDARY", "AXIAL"])),
        ("derived", header(["DERIVED", "PRIMARY"])),
        ("secondary", header(["ORIGINAL", "SECONDARY", "AXIAL"])),
        ("secondary", header(["DERIVED", "SECONDARY"], SOPClassUID=CAPTURE)),
        ("secondary", header(["DERIVED", "SECONDARY"], SOPClassUID=f"{CAPTURE}.2", NumberOfFrames=4)),
        ("dose report", header(["DERIVED", "SECONDARY"], SOPClassUID=CAPTURE, SeriesDescription="Dose Report")),
        ("dose report", header(["DERIVED", "SECONDARY", "OTHER", "CT_SOM5 PROT"], orientation=None)),
        ("dose report", header([], orientation=None, SeriesDescription="Dosisbericht")),
        ("dose report", header([], SOPClassUID=DOSE_REPORT, Modality="SR")),
        ("enhanced", header(SOPClassUID=EnhancedCTImageStorage, NumberOfFrames=60, orientation=None)),
        ("enhanced", header(NumberOfFrames=60)),
        ("other", header(Modality="PT")),
        ("other", header(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", Modality="SEG", NumberOfFrames=60)),
        ("other", header(Modality="", SOPClassUID="")),
        ("other", header(SamplesPerPixel=3)),
    ],
)
def test_an_image_is_what_its_header_says(kind, given):
    assert image_kind(given) == kind


def test_kinds_are_counted_in_words():
    assert in_words("localizer", 1) == "1 localizer"
    assert in_words("dose report", 2) == "2 dose reports"
    assert in_words("derived", 3) == "3 derived"
    assert in_words("enhanced", 1) == "1 enhanced (multi-frame)"
