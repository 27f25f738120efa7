"""Results as DICOM, held against the standard by a program that knows nothing of pnetkit or highdicom."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pnetkit.dicom.page import write_page
from pnetkit.dicom.place import Place
from pnetkit.dicom.results import Said, write_report, write_segmentation
from pnetkit.dicom.series import find_series
from pnetkit.dicom.source_headers import Author
from pnetkit.dicom.volume import read_series
from tests.dicom.synthetic import AFFINE, some_hu, write_series
from tests.unpacking import unpack

REAL = Path(__file__).parents[3] / "shared" / "data" / "totalsegmentator_tests" / "example_ct_dicom.tar.gz"

pytestmark = pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="dciodvfy (Debian's dicom3tools) is not on the PATH"
)


def errors(path):
    """Give what dciodvfy calls an error; its warnings speak of codes that are pnetkit's own, too."""
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode in {0, 1}, said
    found = [line for line in said.splitlines() if line.startswith("Error")]
    return found or ([] if done.returncode == 0 else [said])


def results(folder, out):
    (series,) = find_series(folder).series
    found = read_series(series)
    labels = np.zeros(found.scan.hu.shape, np.uint8)
    labels[1:5, 1:4, 1:4], labels[2:4, 2, 2], labels[4, 1:3, 1] = 1, 2, 3
    author = Author("tiny", "ab" * 32)
    seg = write_segmentation(out / "seg.dcm", labels, series, found.stack, author)
    places = (Place(2, 1, 1, (-28.0, 12.4, -895.0), 2.8), Place(3, 1, 1, (-26.8, 12.0, -897.5), 2.8))
    said = Said(True, False, {1: 50.4, 2: 2.8, 3: 2.8}, places=places)
    write_report(out / "sr.dcm", seg, series, found.stack, said, author)
    write_page(out / "page.dcm", b"%PDF-1.4", [series], author)
    return [error for name in ("seg.dcm", "sr.dcm", "page.dcm") for error in errors(out / name)]


def test_a_segmentation_a_report_and_a_page_are_valid(tmp_path):
    write_series(tmp_path / "ct", some_hu(), AFFINE)
    assert results(tmp_path / "ct", tmp_path) == []


@pytest.mark.skipif(not REAL.is_file(), reason="no real CTs here")
def test_those_of_a_real_series_are_valid_too(tmp_path):
    unpack(REAL, tmp_path / "ct")
    assert results(tmp_path / "ct", tmp_path) == []


def test_the_validator_is_asked_in_a_way_in_which_it_finds_errors(tmp_path):
    write_series(tmp_path, some_hu(), AFFINE)
    assert any("KVP" in error for error in errors(tmp_path / "IM0000"))  # the tests' own series lack it
