"""Tests of pnetkit.imaging.header_notes: one message for a damaged header, and nothing lost."""

import gzip
import io
import logging
import struct
import threading

import nibabel as nib
import numpy as np
import pytest
from nibabel import imageglobals

from pnetkit.errors import ImageError
from pnetkit.imaging.header_notes import held_back
from pnetkit.imaging.nifti import read_grid, read_scan

SIZE = (0, "i", 77)
"""A header of another size than a header has, which nibabel notes and puts right."""


@pytest.fixture
def terminal(monkeypatch):
    """What nibabel's own handler writes, as it does to stderr."""
    (handler,) = [of for of in imageglobals.logger.handlers if type(of) is logging.StreamHandler]
    stream = io.StringIO()
    monkeypatch.setattr(handler, "stream", stream)
    return stream


@pytest.fixture
def damaged(tmp_path):
    """Make a small CT with other values in its header: `damaged((offset, layout, value), …)`."""

    def make(*changes, name="ct.nii.gz"):
        nib.save(
            nib.Nifti1Image(np.arange(-1000, 1000, 2000 / 60).astype(np.int16).reshape(3, 4, 5), np.eye(4)),
            tmp_path / "sound.nii",
        )
        data = bytearray((tmp_path / "sound.nii").read_bytes())
        for offset, layout, value in changes:
            struct.pack_into(f"<{layout}", data, offset, value)
        (tmp_path / name).write_bytes(gzip.compress(bytes(data)) if name.endswith(".gz") else bytes(data))
        return tmp_path / name

    return make


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
@pytest.mark.parametrize("read", [read_scan, read_grid])
def test_an_error_says_what_nibabel_notes_and_is_the_only_message(damaged, terminal, name, read):
    path = damaged(SIZE, (70, "h", 9999), name=name)
    with pytest.raises(ImageError) as raised:
        read(path)
    assert str(raised.value) == (
        f"{path}: cannot be read as an image (HeaderDataError: data code 9999 not recognized; "
        "sizeof_hdr should be 348). Export it again."
    )
    assert terminal.getvalue() == ""


def test_a_note_explains_an_error_that_does_not_explain_itself(damaged, terminal):
    with pytest.raises(ImageError, match=r"convert float NaN to integer; vox offset \(=nan\) not divisible by 16"):
        read_scan(damaged((108, "f", np.nan)))
    assert terminal.getvalue() == ""


def test_notes_about_a_file_that_can_be_read_are_passed_on_as_they_were(damaged, terminal):
    assert read_scan(damaged(SIZE)).hu.shape == (3, 4, 5)
    assert terminal.getvalue() == "sizeof_hdr should be 348; set sizeof_hdr to 348\n"


def test_a_program_s_own_log_gets_every_note(damaged, caplog):
    with pytest.raises(ImageError):
        read_scan(damaged(SIZE, (70, "h", 9999)))
    assert caplog.messages == [
        "sizeof_hdr should be 348; set sizeof_hdr to 348", "data code 9999 not recognized; not attempting fix"
    ]  # fmt: skip


def test_notes_of_other_threads_and_later_ones_are_not_held_back(terminal):
    other = threading.Thread(target=imageglobals.logger.warning, args=["of another thread"])

    def fail():
        other.start()
        other.join()
        raise ImageError("said")

    with pytest.raises(ImageError), held_back():
        fail()
    imageglobals.logger.warning("of later")
    assert terminal.getvalue() == "of another thread\nof later\n"


def test_an_error_that_nobody_expected_takes_no_note_along(terminal):
    def fail():
        imageglobals.logger.warning("odd")
        raise RuntimeError

    with pytest.raises(RuntimeError), held_back():
        fail()
    assert terminal.getvalue() == "odd\n"
