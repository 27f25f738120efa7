"""Finding series: at any depth, under any name, among whatever else a folder holds."""

import shutil

import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

from pnetkit.dicom.series import case_id_of, find_series
from pnetkit.dicom.volume import read_series
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
    assert fault.where == str(tmp_path / "one" / "IM0002")  # the image of the study, so that the study is at fault
    assert "has the instance UID of this one, and other contents" in str(fault)
    assert str(tmp_path / "two" / "IM0002") in str(fault)


def test_an_image_that_is_packed_otherwise_is_the_same_image(tmp_path):
    """A scanner and an archive both send it; another one of its UID is told from it, however it is packed."""
    write_series(tmp_path / "one", some_hu(), AFFINE)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    for path in (tmp_path / "two").iterdir():
        packed = pydicom.dcmread(path)
        packed.compress(RLELossless, generate_instance_uid=False)
        packed.save_as(path)
    found = find_series(tmp_path)
    assert (len(found.series[0].instances), found.faults) == (5, ())
    other = pydicom.dcmread(tmp_path / "one" / "IM0002")
    other.PixelData = bytes(len(other.PixelData))
    other.save_as(tmp_path / "one" / "IM0002")
    assert len(find_series(tmp_path).faults) == 1


@pytest.mark.parametrize("voxels", [True, False])
def test_what_is_the_same_with_all_images_of_a_folder_is_said_once(tmp_path, voxels):
    """An export with one changed tag is one note; one with other voxels, or of another patient, is one fault."""
    write_series(tmp_path / "one", some_hu((7, 6, 9)), AFFINE)
    write_series(
        tmp_path / "two", some_hu((7, 6, 9)), AFFINE,
        change=lambda d, _: setattr(d, "PatientID" if voxels else "InstitutionName", "Elsewhere"),
    )  # fmt: skip
    found = find_series(tmp_path)
    assert len(found.series[0].instances) == 9
    if voxels:
        assert found.notes == ()
        (fault,) = found.faults
        assert "So it is with 8 more files of this folder" in str(fault)
        assert "Elsewhere" not in str(fault)
    else:
        assert found.faults == ()
        (note,) = found.notes
        assert note.startswith(f"9 images in {tmp_path / 'two'} are those in {tmp_path / 'one'} with other headers")


def test_folders_that_are_links_are_read_once_and_circles_end(tmp_path):
    archive, subset = tmp_path / "archive", tmp_path / "subset"
    write_series(archive / "a", some_hu(), AFFINE)
    write_series(archive / "v", some_hu(), AFFINE, description="arterial", number=1)
    subset.mkdir()
    for name in ("a", "v"):
        (subset / name).symlink_to(archive / name)
    (subset / "again").symlink_to(archive / "a")
    (archive / "v" / "circle").symlink_to(subset)
    for folder in (archive, subset):
        found = find_series(folder)
        assert sorted(len(series.instances) for series in found.series) == [5, 5]
        assert (found.others, found.faults, found.notes) == (0, (), ())


def test_a_link_that_leads_nowhere_is_a_fault(tmp_path):
    write_series(tmp_path / "a", some_hu(), AFFINE)
    (tmp_path / "a" / "gone").symlink_to(tmp_path / "nowhere")
    (fault,) = find_series(tmp_path).faults
    assert "gone: its header cannot be read (FileNotFoundError" in str(fault)


@pytest.mark.parametrize("preamble", [True, False])
@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
def test_files_without_meta_header_are_read_in_the_encoding_that_they_have(tmp_path, preamble, implicit, little):
    hu = some_hu()
    write_series(tmp_path, hu, AFFINE)
    for path in tmp_path.iterdir():
        image, bare = pydicom.dcmread(path), pydicom.Dataset()
        bare.update(image)
        bare.preamble = bytes(128) if preamble else None
        if not little:
            bare.PixelData = image.pixel_array.astype(">u2").tobytes()
        bare.save_as(path, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
        assert (path.read_bytes()[128:132] == b"DICM") == preamble
    (tmp_path / "notes.bin").write_bytes(b"\x08\x00\x05\x00 no DICOM, though it begins as a file without preamble does")
    found = find_series(tmp_path)
    assert found.others + len(found.faults) == 1
    assert np.array_equal(read_series(found.series[0]).scan.hu, hu)


@pytest.mark.parametrize("keyword", ["Modality", "SOPClassUID"])
def test_an_image_that_does_not_say_what_it_is_stays_one(tmp_path, keyword):
    write_series(tmp_path, some_hu(), AFFINE, change=lambda d, _: delattr(d, keyword))
    found = find_series(tmp_path)
    assert (len(found.series[0].instances), found.others) == (5, 0)


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


def test_a_file_that_is_named_like_the_images_beside_it_and_is_none_was_cut_off(tmp_path):
    write_series(tmp_path, some_hu(), AFFINE)
    for name in ("README", "report1.pdf", ".complete"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "IM0004").write_bytes(b"")  # the last slice of a copy that was interrupted: no gap shows it
    found = find_series(tmp_path)
    assert found.others == 3
    (fault,) = found.faults
    assert fault.where == str(tmp_path / "IM0004")
    assert "is no DICOM image, though named like those beside it" in fault.message


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_an_image_without_a_uid_that_those_beside_it_have_is_a_fault(tmp_path, keyword):
    write_series(
        tmp_path, some_hu(), AFFINE, change=lambda d, k: setattr(d, keyword, "" if k == 4 else d[keyword].value)
    )
    found = find_series(tmp_path)
    assert [len(series.instances) for series in found.series] == [4]
    (fault,) = found.faults
    assert str(fault) == f"{tmp_path / 'IM0004'}: has no {keyword}, and the images beside it have one"
