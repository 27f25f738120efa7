"""Attributes: what cannot be decoded is said where a file is read, or left out; asking afterwards cannot fail."""

import ast
import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom.datadict import keyword_dict

import pnetkit
from pnetkit.dicom.attributes import DESCRIBING, RELIED_ON, readable_copy, settle
from pnetkit.dicom.series import find_series
from tests.dicom.synthetic import AFFINE, some_hu, write_series

VALUE = b"%%%%"


def element(keyword, kind, value):
    """Encode an attribute as explicit little endian, whatever kind it is said to be of."""
    tag = pydicom.tag.Tag(keyword)
    head = tag.group.to_bytes(2, "little") + tag.element.to_bytes(2, "little") + kind
    if kind in {b"SQ", b"UN", b"OB", b"UT"}:
        return head + b"\0\0" + len(value).to_bytes(4, "little") + value
    return head + len(value).to_bytes(2, "little") + value


def with_bytes(folder, keyword, kind, value):
    """Put other bytes in the place of an attribute of the third image."""
    path = folder / "IM0002"
    header = pydicom.dcmread(path)
    header[keyword] = pydicom.DataElement(pydicom.tag.Tag(keyword), "OB", VALUE)
    header.save_as(path)
    data = path.read_bytes()
    old = element(keyword, b"OB", VALUE)
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, element(keyword, kind, value)))


DAMAGES = [
    ("Rows", b"ZZ", b"\6\0", "Rows is b'\\x06\\x00' (ZZ), wanted a whole number"),  # NotImplementedError
    ("Columns", b"US", b"\6\0\0", "Columns is b'\\x06\\x00\\x00' (US), wanted a whole number"),  # BytesLengthException
    ("Rows", b"LO", b"6 ", "Rows is b'6 ' (LO), wanted a whole number"),
    ("Rows", b"US", b"\6\0\6\0", "Rows is b'\\x06\\x00\\x06\\x00' (US), wanted a whole number"),
    ("PixelSpacing", b"DS", b"0.7\\wide ", "PixelSpacing is b'0.7\\\\wide ' (DS), wanted 2 numbers"),  # ValueError
    ("RescaleSlope", b"DS", b"1\\1 ", "RescaleSlope is b'1\\\\1 ' (DS), wanted a number"),
    ("NumberOfFrames", b"IS", b"1.5 ", "NumberOfFrames is b'1.5 ' (IS), wanted a whole number"),  # TypeError
    ("ImagePositionPatient", b"FD", b"1234", "ImagePositionPatient is b'1234' (FD), wanted 3 numbers"),
    ("SeriesInstanceUID", b"UI", b"1.2\\1.3\0", "SeriesInstanceUID is b'1.2\\\\1.3\\x00' (UI), wanted one UID"),
    ("SeriesDescription", b"SQ", b"", "SeriesDescription is unreadable as SQ, wanted text"),
    ("PatientName", b"FD", b"Doe^Jane", "PatientName is unreadable as FD, wanted text"),
    ("PatientID", b"ZZ", b"4711", "PatientID is unreadable as ZZ, wanted text"),
]


@pytest.mark.parametrize(("keyword", "kind", "value", "said"), DAMAGES)
def test_an_attribute_that_is_relied_on_and_cannot_be_read_is_a_fault_of_its_file(tmp_path, keyword, kind, value, said):
    write_series(tmp_path, some_hu(), AFFINE)
    with_bytes(tmp_path, keyword, kind, value)
    found = find_series(tmp_path)
    (fault,) = found.faults
    assert str(fault) == f"{tmp_path / 'IM0002'}: its header is damaged: {said}"
    assert [len(series.instances) for series in found.series] == [4]


@pytest.mark.parametrize(
    ("keyword", "kind", "value"),
    [("SliceThickness", b"DS", b"thick "), ("AcquisitionNumber", b"IS", b"none"), ("StudyDate", b"ZZ", b"2020")],
)
def test_an_attribute_that_only_describes_is_left_out_where_it_cannot_be_read(tmp_path, keyword, kind, value):
    write_series(tmp_path, some_hu(), AFFINE)
    with_bytes(tmp_path, keyword, kind, value)
    found = find_series(tmp_path)
    assert found.faults == ()
    (series,) = found.series
    by_name = {instance.path.name: instance.header for instance in series.instances}
    assert by_name["IM0002"].get(keyword) is None
    assert len(by_name) == 5


def test_no_value_is_shown_that_a_library_warns_of(tmp_path):
    write_series(tmp_path, some_hu(), AFFINE)
    with_bytes(tmp_path, "PatientBirthDate", b"DA", b"about 1950")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (series,) = find_series(tmp_path).series
    assert [warning for warning in caught if "1950" in str(warning.message)] == []
    assert len(series.instances) == 5


def test_a_copy_for_others_has_nothing_that_cannot_be_read(tmp_path):
    write_series(tmp_path, some_hu(), AFFINE)
    with_bytes(tmp_path, "PatientComments", b"FD", b"123")  # nothing that pnetkit asks for
    header = pydicom.dcmread(tmp_path / "IM0002", stop_before_pixels=True)
    assert settle(header) == []
    copy = readable_copy(header)
    assert "PatientComments" in header
    assert "PatientComments" not in copy
    assert [element.tag for element in copy] == [tag for tag in sorted(header.keys()) if tag in copy]


def test_every_attribute_that_is_asked_for_by_name_was_decoded_before():
    """Also those that a later line of code asks for: it has to be added to the lists."""
    listed = {*RELIED_ON, *DESCRIBING}
    keywords = set(keyword_dict) - {""}
    asked = set()
    answers = {"stow.py", "succession.py", "refusal.py"}  # a server's answer, and reports of our own
    for path in (Path(pnetkit.__file__).parent / "dicom").glob("*.py"):
        if path.name in answers:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in keywords:
                asked.add(node.value)
    assert asked >= {"Rows", "PatientID", "ImageType"}
    of_the_file = {"MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID"}
    assert asked - listed - of_the_file - {"PixelData"} == set()
