"""Which of several reconstructions is read: by thickness, kernel, number of images; or none, where these are alike."""

from dataclasses import replace

import numpy as np
import pytest

from pnetkit.dicom.reconstructions import best_reconstruction, kernel_kind, of_one_acquisition, thickness_mm
from pnetkit.dicom.series import find_series
from tests.dicom.synthetic import AFFINE, some_hu, write_series


def reconstruction(folder, name, *, mm=2.5, kernel="B30f", images=6, time="101500", number=1, said_mm=None):
    affine = AFFINE.copy()
    affine[2, 2] = mm

    def change(dataset, _):
        dataset.ConvolutionKernel, dataset.AcquisitionNumber = kernel, number
        dataset.SliceThickness = said_mm or mm

    write_series(folder / name, some_hu((4, 4, images)), affine, description=name, time=time, change=change)


def best(folder, learned_mm=None):
    found, by = best_reconstruction(find_series(folder).series, learned_mm)
    return (found.description if found else None, by)


@pytest.mark.parametrize(
    ("learned_mm", "expected"),
    [((1.0, 1.0), "thin"), ((0.5, 0.7), "thin"), ((4.0, 5.0), "thick"), ((2.9, 3.1), "thick"), ((8.0, 8.0), "thick")],
)
def test_the_thickness_nearest_to_what_the_networks_learned_from_comes_first(tmp_path, learned_mm, expected):
    reconstruction(tmp_path, "thin", mm=1.0, images=12, kernel="B70f")
    reconstruction(tmp_path, "thick", mm=5.0, images=3)
    assert best(tmp_path, learned_mm) == (expected, "thickness")


def test_then_soft_tissue_before_lung_and_bone(tmp_path):
    reconstruction(tmp_path, "lung", kernel="B70f", images=9)
    reconstruction(tmp_path, "soft")
    assert best(tmp_path, (2.5, 2.5)) == ("soft", "kernel")


def test_then_the_larger_number_of_images(tmp_path):
    reconstruction(tmp_path, "all", images=9)
    reconstruction(tmp_path, "some")
    assert best(tmp_path) == ("all", "number of images")


def test_a_kernel_that_is_not_known_decides_nothing(tmp_path):
    reconstruction(tmp_path, "one", kernel="X1")
    reconstruction(tmp_path, "other", kernel="X2")
    assert best(tmp_path) == (None, "")


@pytest.mark.parametrize("apart", [{"time": "101525"}, {"number": 2}])
def test_two_acquisitions_are_no_reconstructions_of_one(tmp_path, apart):
    """A late phase is not chosen for its thickness."""
    reconstruction(tmp_path, "portal venous", mm=2.5)
    reconstruction(tmp_path, "late venous", mm=5.0, **apart)
    assert best(tmp_path, (2.5, 2.5)) == (None, "")


def test_images_that_overlap_are_as_thick_as_they_say(tmp_path):
    reconstruction(tmp_path, "overlapping", mm=2.5, said_mm=5.0)
    reconstruction(tmp_path, "gaps", mm=2.5, said_mm=1.0)
    thickness = {of.description: thickness_mm(of) for of in find_series(tmp_path).series}
    assert thickness == {"overlapping": 5.0, "gaps": pytest.approx(2.5)}


@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        ("B30f", "soft"), ("B31s", "soft"), ("I31f/3", "soft"), ("Br40d/3", "soft"), ("Bv40", "soft"),
        ("B70f", "sharp"), ("Bl57d/3", "sharp"), ("Br64", "sharp"), ("STANDARD", "soft"), ("SOFT", "soft"),
        ("BONEPLUS", "sharp"), ("LUNG", "sharp"), ("EDGE", "sharp"), ("FC08", "soft"), ("FC51", "sharp"),
        ("FC30", "sharp"), ("B", "soft"), ("B_SOFT_B", "soft"), ("B_SHARP_C", "sharp"), ("YC", "unknown"),
        ("", "unknown"),
    ],
)  # fmt: skip
def test_kernels_are_known_by_their_vendors_names(kernel, kind):
    assert kernel_kind(kernel) == kind


def test_series_without_times_are_not_known_to_be_of_one_acquisition(tmp_path):
    for name, images in (("one", 4), ("other", 5)):
        write_series(
            tmp_path / name, some_hu((4, 4, images)), np.eye(4), description=name,
            change=lambda d, _: [delattr(d, keyword) for keyword in ("AcquisitionTime", "AcquisitionDate")],
        )  # fmt: skip
    assert best(tmp_path) == (None, "")


@pytest.mark.parametrize(("told_apart_by", "one"), [("ConvolutionKernel=B30f", True), ("TriggerTime=0", False)])
def test_what_was_told_apart_as_two_acquisitions_is_not_one(tmp_path, told_apart_by, one):
    reconstruction(tmp_path, "a")
    reconstruction(tmp_path, "b")
    first, second = find_series(tmp_path).series
    keyword = told_apart_by.partition("=")[0]
    parts = [replace(first, part=told_apart_by), replace(second, uid=first.uid, part=f"{keyword}=900")]
    assert of_one_acquisition(parts) == one


@pytest.mark.parametrize(("parts", "one"), [(("TriggerTime=0", "TriggerTime=900"), False), (("TriggerTime=0",), True)])
def test_two_times_of_one_series_are_two_acquisitions_whatever_else_there_is_and_one_time_alone_is_not(
    tmp_path, parts, one
):
    reconstruction(tmp_path, "a")
    reconstruction(tmp_path, "b")
    first, second = find_series(tmp_path).series
    assert of_one_acquisition([*(replace(first, part=part) for part in parts), second]) == one
