"""Finding series: at any depth, under any name, among whatever else a folder holds."""

import shutil

import pydicom
import pytest

from pnetkit.dicom.series import case_id_of, find_series
from pnetkit.errors import ImageError
from tests.dicom.synthetic import AFFINE, STUDY, some_hu, write_series


def test_series_are_found_at_any_depth_without_regard_to_file_names(tmp_path):
    deep = tmp_path / "a" / "b c" / "d"
    venous = write_series(deep, some_hu(), AFFINE, name="{:d}")
    arterial = write_series(deep, some_hu(), AFFINE, description="arterial", number=1, time="101400", name="x{}.dcm")
    (tmp_path / "readme.txt").write_text("no DICOM")
    found = find_series(tmp_path)
    assert [series.uid for series in found.series] == [arterial, venous]  # in the order of their times
    assert [len(series.instances) for series in found.series] == [5, 5]
    assert {series.study_uid for series in found.series} == {STUDY}
    assert (found.others, found.faults) == (1, ())


def test_a_copy_counts_once_and_another_image_of_the_same_uid_is_a_fault(tmp_path):
    write_series(tmp_path / "one", some_hu(), AFFINE)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    found = find_series(tmp_path)
    assert (len(found.series[0].instances), found.faults) == (5, ())
    other = pydicom.dcmread(tmp_path / "two" / "IM0002")
    other.PixelData = bytes(len(other.PixelData))
    other.save_as(tmp_path / "two" / "IM0002")
    (fault,) = find_series(tmp_path).faults
    assert "has the instance UID of" in str(fault)


def test_empty_uids_are_made_up_the_same_every_time_and_said(tmp_path):
    def bare(dataset, _):
        dataset.StudyInstanceUID = dataset.SeriesInstanceUID = dataset.SOPInstanceUID = ""

    for name in ("one", "two"):
        write_series(tmp_path / name, some_hu(), AFFINE, change=bare)
    one, two = find_series(tmp_path / "one").series[0], find_series(tmp_path / "two").series[0]
    assert one.made_up == ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    assert (one.study_uid, one.uid) == (two.study_uid, two.uid)
    assert [of.uid for of in one.instances] == [of.uid for of in two.instances]
    assert len({of.uid for of in one.instances}) == 5
    assert len(find_series(tmp_path).series) == 2  # each folder is a series of its own


def test_a_case_s_id_tells_nothing_of_the_study_and_a_series_words_nothing_of_the_patient(tmp_path):
    write_series(tmp_path, some_hu(), AFFINE)
    series = find_series(tmp_path).series[0]
    assert case_id_of(series.study_uid).startswith("study-")
    assert series.study_uid not in case_id_of(series.study_uid)
    assert "portal venous" in series.in_words
    assert "10:15:00" in series.in_words
    assert "Doe" not in series.in_words
    assert "4711" not in series.in_words


def test_a_damaged_header_is_a_fault_with_its_file(tmp_path):
    write_series(tmp_path, some_hu(), AFFINE)
    whole = (tmp_path / "IM0001").read_bytes()
    (tmp_path / "IM0001").write_bytes(whole[:150] + b"\xff" * 60 + whole[210:])
    found = find_series(tmp_path)
    assert len(found.faults) + found.others == 1 or len(found.series[0].instances) == 5


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="cannot be read"):
        find_series(tmp_path / "nowhere")
