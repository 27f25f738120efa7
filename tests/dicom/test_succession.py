"""Results of a study that was screened again have UIDs of their own, and name what they replace."""

import highdicom
import numpy as np
import pydicom

from pnetkit.dicom.refusal import write_refusal
from pnetkit.dicom.results import Said, write_report, write_segmentation
from pnetkit.dicom.series import find_series
from pnetkit.dicom.source_headers import Author
from pnetkit.dicom.succession import replaced_by, succeed
from pnetkit.dicom.volume import read_series
from tests.dicom.synthetic import AFFINE, some_hu, write_series

AUTHOR = Author("tiny", "0123456789abcdef")


def results(folder, out):
    write_series(folder, some_hu(), AFFINE)
    (series,) = find_series(folder).series
    found = read_series(series)
    labels = np.ones(found.scan.hu.shape, dtype=np.uint8)
    out.mkdir()
    seg = write_segmentation(out / "seg.dcm", labels, series, found.stack, AUTHOR)
    write_report(out / "sr.dcm", seg, series, found.stack, Said(False, False, {1: 1.0, 2: 0.0, 3: 0.0}), AUTHOR)
    return [out / "seg.dcm", out / "sr.dcm"]


def test_results_get_uids_of_their_own_and_refer_to_each_other_by_them(tmp_path):
    files = results(tmp_path / "in", tmp_path / "out")
    before = [pydicom.dcmread(path) for path in files]
    succeed(files, [], "a mark")
    seg, report = [pydicom.dcmread(path) for path in files]
    for old, new in zip(before, (seg, report), strict=True):
        assert old.SOPInstanceUID != new.SOPInstanceUID == new.file_meta.MediaStorageSOPInstanceUID
        assert old.SeriesInstanceUID != new.SeriesInstanceUID
        assert old.StudyInstanceUID == new.StudyInstanceUID
    assert np.array_equal(before[0].pixel_array, seg.pixel_array)
    assert str(before[0].SOPInstanceUID) not in str(report)
    assert str(report).count(str(seg.SOPInstanceUID)) >= 2  # by evidence and by segment
    assert replaced_by(report) == []
    assert len(highdicom.sr.srread(files[1]).content.get_volumetric_roi_measurement_groups()) == 3
    again = results(tmp_path / "in", tmp_path / "again")
    succeed(again, [], "a mark")
    assert [pydicom.dcmread(path).SOPInstanceUID for path in again] == [seg.SOPInstanceUID, report.SOPInstanceUID]


def test_a_report_names_the_reports_that_it_replaces(tmp_path):
    first = results(tmp_path / "in", tmp_path / "first")
    write_refusal(tmp_path / "refused.dcm", tmp_path / "in", "no abdomen", AUTHOR)
    succeed([tmp_path / "refused.dcm"], first, "more images")
    report = pydicom.dcmread(tmp_path / "refused.dcm")
    assert replaced_by(report) == [pydicom.dcmread(first[1]).SOPInstanceUID]
