"""Tests of pnetkit.dicom.patient: images of two patients are told apart, and nothing of them is repeated."""

from pathlib import Path

import pydicom
import pytest

from pnetkit.dicom.patient import contradictions, may_be_one, said_of_patient, values_of
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


@pytest.mark.parametrize(
    ("one", "other", "may_be"),
    [
        ([JANE], [JANE | {"PatientName": "DOE JANE"}], True),
        ([JANE], [{"PatientSex": "F"}], True),
        ([JANE], [JANE | {"PatientID": "4712"}], False),
        ([JANE], [JANE | {"PatientID": "4712"}, JANE], True),  # some of them are hers
    ],
)
def test_groups_of_images_may_share_a_patient_unless_an_attribute_differs_in_all(one, other, may_be):
    said = [said_of_patient(images(*patients)) for patients in (one, other)]
    assert may_be_one(*said) == may_be_one(*said[::-1]) == may_be


def test_what_images_hold_in_an_attribute_is_given_once_and_in_order_without_what_is_empty_or_cannot_be_read():
    class Damaged(pydicom.Dataset):
        def get(self, *_):
            raise UnicodeDecodeError("ascii", b"?", 0, 1, "damaged")

    names = ["Roe^Richard", "Doe^Jane", "", "Doe^Jane"]
    found = [*images(*({"PatientName": name} for name in names), {}), Instance(Path("x"), Damaged(), "1")]
    assert values_of(found, "PatientName") == ("Doe^Jane", "Roe^Richard")
    assert values_of(found, "PatientID") == ()
