"""What has just come is told apart by its first bytes, whatever follows them."""

import random
from contextlib import suppress
from io import BytesIO

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless

from pnetkit.dicom.arrived import identified
from pnetkit.errors import ImageError


def encoded(implicit=False, **given):
    dataset = pydicom.Dataset()
    given = {"SOPClassUID": "1.2", "SOPInstanceUID": "1.2.3", "StudyInstanceUID": "1.2.4"} | given
    for keyword, value in given.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.PatientName = "Doe^Jane"
    stream = BytesIO()
    pydicom.dcmwrite(stream, dataset, implicit_vr=implicit, little_endian=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("syntax", "implicit"),
    [(ExplicitVRLittleEndian, False), (ImplicitVRLittleEndian, True), (JPEGLSLossless, False)],
)
def test_an_image_is_known_by_its_uids_whatever_its_voxels_are(syntax, implicit):
    stream = BytesIO(encoded(implicit=implicit) + b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xffcut off")
    assert identified(stream, syntax) == ("1.2", "1.2.3", "1.2.4")


@pytest.mark.parametrize("missing", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID"])
def test_an_image_without_a_uid_is_refused(missing):
    with pytest.raises(ImageError, match="lacks its"):
        identified(BytesIO(encoded(**{missing: None})), ExplicitVRLittleEndian)


@pytest.mark.parametrize("data", [b"", b"\x08", b"nothing of DICOM at all", bytes(100), b"\xff" * 64])
def test_bytes_that_are_no_dataset_are_refused(data):
    with pytest.raises(ImageError):
        identified(BytesIO(data), ExplicitVRLittleEndian)


def test_five_hundred_spoiled_datasets_are_understood_or_refused():
    dice, whole = random.Random(23), encoded() + b"\x08\x00\x60\x00CS\x02\x00CT"
    for _ in range(500):
        data = bytearray(whole)
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(data))
            data[at : at + dice.randrange(4)] = dice.choice([b"", b"\xff" * 4, bytes(4), b"SQ", dice.randbytes(3)])
            data = data or bytearray(b"x")
        with suppress(ImageError):
            assert all(identified(BytesIO(bytes(data)), dice.choice([ExplicitVRLittleEndian, ImplicitVRLittleEndian])))
