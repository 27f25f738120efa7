"""Sorting a study: volumes of original axial images, one an acquisition, and the rest counted by its kind."""

import numpy as np
import pydicom
import pytest

from pnetkit.dicom.series import find_series
from pnetkit.dicom.stacks import sort_study
from pnetkit.dicom.volume import read_series
from pnetkit.errors import ImageError
from tests.dicom.synthetic import AFFINE, some_hu, write_series

LATER = np.array([[0.8, 0, 0, -30.0], [0, 0.7, 0, 11.0], [0, 0, 2.5, -898.75], [0, 0, 0, 1.0]])
"""Half a slice above the first acquisition: together the two are one even stack."""


def study(folder):
    return sort_study(find_series(folder).series)


TWO = some_hu(seed=1), some_hu(seed=2)


def two_in_one(folder, attribute, values, *, hu=TWO, affines=(AFFINE, AFFINE)):
    """Write two acquisitions of one series UID; `values` gives an attribute's value by acquisition and image."""
    for part in (0, 1):

        def change(dataset, k, part=part):
            dataset.SeriesInstanceUID = "1.2.77"
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.77.{part + 1}.{k + 1}"
            setattr(dataset, attribute, values(part, k))

        write_series(folder / str(part), hu[part], affines[part], change=change)
    return hu


def test_a_localizer_with_the_uid_of_a_series_is_left_out_wherever_its_own_uid_sorts(tmp_path):
    hu = some_hu()
    for uid in ("1.1.1", "9.9.9"):
        folder = tmp_path / uid
        write_series(folder, hu, AFFINE)
        image = pydicom.dcmread(folder / "IM0000")
        image.ImageType, image.SOPInstanceUID = ["ORIGINAL", "PRIMARY", "LOCALIZER"], uid
        image.file_meta.MediaStorageSOPInstanceUID = uid
        image.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        image.save_as(folder / "LOC")
        found = study(folder)
        (series,) = found.stacks
        read = read_series(series)
        assert np.array_equal(read.scan.hu, hu)
        assert read.flags == ("left out of the series: 1 localizer",)
        assert found.left_out_in_words == "1 localizer"


@pytest.mark.parametrize(
    ("attribute", "values", "names"),
    [
        ("AcquisitionNumber", lambda part, _: part + 2, ["AcquisitionNumber=2", "AcquisitionNumber=3"]),
        ("AcquisitionNumber", lambda part, _: (10, 9)[part], ["AcquisitionNumber=9", "AcquisitionNumber=10"]),
        ("TemporalPositionIdentifier", lambda part, _: part + 1,
         ["TemporalPositionIdentifier=1", "TemporalPositionIdentifier=2"]),
        ("AcquisitionTime", lambda part, _: f"10150{part}", ["AcquisitionTime=101500", "AcquisitionTime=101501"]),
        (
            "ConvolutionKernel",
            lambda part, _: [("Br38f", "Bl57d")[part], "3"],
            ["ConvolutionKernel=Bl57d,3", "ConvolutionKernel=Br38f,3"],
        ),
        ("TriggerTime", lambda part, _: str(part * 900), ["TriggerTime=0", "TriggerTime=900"]),
    ],
)  # fmt: skip
def test_acquisitions_of_one_uid_are_told_apart_by_whatever_tells_them_apart(tmp_path, attribute, values, names):
    hu = two_in_one(tmp_path, attribute, values)
    found = study(tmp_path)
    assert [series.part for series in found.stacks] == names
    assert found.left_out == ()
    for series in found.stacks:
        read = read_series(series)
        written = hu[int(series.instances[0].path.parent.name)]
        assert np.array_equal(read.scan.hu, written)
        assert f"told apart by {attribute}" in read.flags[0]


def test_times_of_each_image_are_cut_where_the_scanner_paused(tmp_path):
    hu = (some_hu((7, 6, 9), 1), some_hu((7, 6, 9), 2))
    two_in_one(tmp_path, "ContentTime", lambda part, k: f"10{15 + part}{10 + k}.5", hu=hu)
    found = study(tmp_path)
    assert [series.part for series in found.stacks] == ["ContentTime=101510.5", "ContentTime=101610.5"]
    for series, written in zip(found.stacks, hu, strict=True):
        assert np.array_equal(read_series(series).scan.hu, written)


def test_acquisitions_may_differ_in_length_and_slice_distance(tmp_path):
    hu = (some_hu((7, 6, 9), 1), some_hu((7, 6, 5), 2))
    thick = AFFINE @ np.diag([1, 1, 2, 1])
    two_in_one(tmp_path, "AcquisitionNumber", lambda part, _: part + 1, hu=hu, affines=(AFFINE, thick))
    assert [len(series.instances) for series in study(tmp_path).stacks] == [9, 5]


def test_acquisitions_that_lie_between_each_other_s_slices_are_not_mixed(tmp_path):
    two_in_one(tmp_path, "AcquisitionNumber", lambda part, _: part + 1, affines=(AFFINE, LATER))
    assert [len(series.instances) for series in study(tmp_path).stacks] == [5, 5]


def test_a_volume_that_was_scanned_in_pieces_stays_one(tmp_path):
    """A step-and-shoot scanner numbers each position of its table."""
    write_series(tmp_path, some_hu((7, 6, 8)), AFFINE, change=lambda d, k: setattr(d, "AcquisitionNumber", 1 + k // 2))
    (series,) = study(tmp_path).stacks
    assert (len(series.instances), series.part) == (8, "")


def test_images_for_the_timing_of_a_bolus_are_left_out(tmp_path):
    def change(dataset, k):
        dataset.SeriesInstanceUID = "1.2.77"
        dataset.AcquisitionNumber = 2 if k < 5 else 1
        if k >= 5:
            dataset.ImagePositionPatient = [25.2, -14.5, -895]

    write_series(tmp_path, some_hu((7, 6, 8)), AFFINE, change=change)
    found = study(tmp_path)
    assert [len(series.instances) for series in found.stacks] == [5]
    assert found.left_out_in_words == "3 at one place"
    assert read_series(found.stacks[0]).flags == ("left out of the series: 3 at one place",)


def test_what_nothing_splits_is_refused_with_what_was_found(tmp_path):
    two_in_one(tmp_path, "AcquisitionNumber", lambda part, k: 1 + (part + (k == 2)) % 2)  # one image of each is swapped
    image = pydicom.dcmread(tmp_path / "1" / "IM0004")
    image.AcquisitionNumber = 1
    image.save_as(tmp_path / "1" / "IM0004")
    (series,) = study(tmp_path).stacks
    with pytest.raises(ImageError, match=r"AcquisitionNumber has 2 values \(1: 6 images, 2: 4 images\); none splits"):
        read_series(series)
    with pytest.raises(ImageError, match=r"0/IM0000 and 1/IM0000 at"):
        read_series(series)


def test_one_stack_whose_images_are_of_several_kinds_is_no_shorter_scan(tmp_path):
    """Where half of the images say that they are derived, the other half would be an even stack, too."""

    def change(dataset, k):
        if k % 2:
            dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]

    write_series(tmp_path, some_hu((7, 6, 8)), AFFINE, change=change)
    found = study(tmp_path)
    assert found.stacks == ()
    assert [(left.kind, left.may_be_volume) for left in found.left_out] == [("mixed", True)]
