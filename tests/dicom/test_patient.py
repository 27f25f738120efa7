"""Tests of pnetkit.dicom.patient: images of two patients are told apart, and nothing of them is repeated."""

from pathlib import Path

import pydicom
import pytest

from pnetkit.dicom.patient import contradictions
from pnetkit.dicom.series import Instance

JANE = {"PatientID": "4711", "PatientBirthDate": "19500101", "PatientSex": "F", "PatientName": "Doe^Jane"}


def images(*patients):
    found = []
    for patient in patients:
        header = pydicom.Dataset()
        for keyword, value in patient.items():
            setattr(header, keyword, value)
        found.append(Instance(Path("x"), header, "1"))
    return found


def test_images_of_one_patient_do_not_contradict_each_other():
    assert contradictions(images(JANE, JANE)) == []


@pytest.mark.parametrize(
    ("other", "apart"),
    [
        ({"PatientID": "4712"}, ["PatientID"]),
        ({"PatientBirthDate": "19500102", "PatientSex": "M"}, ["PatientBirthDate", "PatientSex"]),
        ({"PatientName": "Doe^John"}, ["PatientName"]),
    ],
)
def test_each_attribute_that_differs_is_named(other, apart):
    assert contradictions(images(JANE, JANE | other)) == apart


@pytest.mark.parametrize(
    "other", [{"PatientName": "DOE^JANE^^"}, {"PatientName": "doe jane"}, {"PatientSex": ""}, {"PatientID": None}]
)
def test_what_systems_write_differently_or_leave_out_is_no_contradiction(other):
    assert contradictions(images(JANE, JANE | other)) == []
