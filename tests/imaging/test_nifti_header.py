"""What a NIfTI header says of space: units are converted, and what contradicts itself is said."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pnetkit.errors import ImageError
from pnetkit.imaging.nifti import header_remarks, read_grid, read_labels, read_scan, write_labels

CT = np.random.default_rng(0).integers(-1000, 1000, size=(6, 5, 4)).astype(np.int16)
AFFINE = np.array([[-0.7, 0, 0, 180], [0, -0.7, 0, 170], [0, 0, 2.5, -900], [0, 0, 0, 1]])


def save(path: Path, *, unit="mm", affine=AFFINE, qform=None, codes=(1, 1)):
    image = nib.Nifti1Image(CT, affine)
    image.set_sform(affine, code=codes[0])
    image.set_qform(affine if qform is None else qform, code=codes[1])
    image.header["xyzt_units"] = {"unknown": 0, "meter": 1, "mm": 2, "micron": 3}.get(unit, unit)
    nib.save(image, path)
    return path


def in_unit(millimeters):
    affine = AFFINE.copy()
    affine[:3] /= millimeters
    return affine


@pytest.mark.parametrize(("unit", "millimeters"), [("meter", 1000.0), ("micron", 0.001)])
def test_meters_and_microns_become_millimeters(tmp_path, unit, millimeters):
    path = save(tmp_path / "ct.nii.gz", unit=unit, affine=in_unit(millimeters))
    mm = read_grid(save(tmp_path / "mm.nii.gz"))
    for grid in (read_grid(path), read_scan(path).grid):
        assert grid.spacing_mm == pytest.approx((0.7, 0.7, 2.5), rel=1e-5)
        assert grid.corner_distance_mm(mm) < 1e-3
    (said,) = header_remarks(path)
    assert said == f"its header gives lengths in {unit}s, they were converted to mm"


@pytest.mark.parametrize(("unit", "millimeters"), [("meter", 1000.0), ("micron", 0.001), ("unknown", 1.0)])
def test_labels_are_written_in_the_unit_of_their_image_so_that_every_reader_lays_them_over_it(
    tmp_path, unit, millimeters
):
    path = save(tmp_path / "ct.nii.gz", unit=unit, affine=in_unit(millimeters))
    labels = (read_scan(path).hu > 0).astype(np.uint8)
    write_labels(tmp_path / "labels.nii.gz", labels, like=path)
    written, image = nib.load(tmp_path / "labels.nii.gz"), nib.load(path)
    assert np.array_equal(written.affine, image.affine)
    assert np.allclose(written.get_qform(), image.get_qform(), rtol=1e-5)
    assert written.header.get_xyzt_units()[0] == ("mm" if unit == "unknown" else unit)
    found, grid = read_labels(tmp_path / "labels.nii.gz")
    assert np.array_equal(found, labels)
    assert grid.corner_distance_mm(read_grid(path)) == 0


def test_a_unit_that_is_not_said_is_taken_as_mm_and_stated(tmp_path):
    path = save(tmp_path / "ct.nii.gz", unit="unknown")
    assert read_scan(path).grid.spacing_mm == pytest.approx((0.7, 0.7, 2.5))
    (said,) = header_remarks(path)
    assert "does not say in which unit lengths are (xyzt_units is 0), they are taken as mm" in said


@pytest.mark.parametrize(
    ("unit", "edges"),
    [("meter", "700 x 700 x 2500"), ("micron", "0.0007 x 0.0007 x 0.0025")],
)
def test_a_unit_that_cannot_be_meant_is_refused(tmp_path, unit, edges):
    path = save(tmp_path / "ct.nii.gz", unit=unit)
    with pytest.raises(ImageError, match=f"edges of {edges} mm .unit in its header: {unit}s.; wanted 0.05 to 50 mm"):
        read_scan(path)
    with pytest.raises(ImageError, match=r"Correct the unit or the spacing in its header\."):
        read_grid(path)


def test_millimeters_that_are_meters_are_refused(tmp_path):
    with pytest.raises(ImageError, match=r"edges of 0\.0007 x .* mm \(unit in its header: mm\)"):
        read_scan(save(tmp_path / "ct.nii.gz", affine=in_unit(1000.0)))


def test_a_unit_that_nifti_does_not_know_is_refused(tmp_path):
    with pytest.raises(ImageError, match="unknown unit 5 for lengths"):
        read_scan(save(tmp_path / "ct.nii.gz", unit=5))


@pytest.mark.parametrize("unit", [2, 2 + 8])
def test_a_header_that_agrees_with_itself_is_not_spoken_of(tmp_path, unit):
    assert header_remarks(save(tmp_path / "ct.nii.gz", unit=unit)) == ()


@pytest.mark.parametrize("codes", [(1, 1), (2, 1), (4, 1)])
@pytest.mark.parametrize(
    ("other", "mm"),
    [(np.diag([-1.0, 1, 1, 1]) @ AFFINE, "360"), (AFFINE @ np.diag([2.0, 2, 2, 1]), "8.737")],
    ids=["mirrored", "twice as large"],
)
def test_an_sform_and_a_qform_that_disagree_are_stated(tmp_path, codes, other, mm):
    (said,) = header_remarks(save(tmp_path / "ct.nii.gz", qform=other, codes=codes))
    assert f"its sform and qform disagree: a corner lies {mm} mm elsewhere. The sform is used" in said


def test_rounding_is_no_disagreement(tmp_path):
    angle = 0.123
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    assert header_remarks(save(tmp_path / "ct.nii.gz", affine=turn @ AFFINE)) == ()


def test_a_pixdim_of_other_voxels_than_the_sform_is_stated(tmp_path):
    save(tmp_path / "ct.nii", codes=(1, 0))
    data = bytearray((tmp_path / "ct.nii").read_bytes())
    data[80:92] = np.array([1.4, 1.4, 5], np.float32).tobytes()
    (tmp_path / "ct.nii").write_bytes(data)
    (said,) = header_remarks(tmp_path / "ct.nii")
    assert "its pixdim says voxels of 1.4 x 1.4 x 5, its sform of 0.7 x 0.7 x 2.5" in said


def test_labels_are_written_although_the_images_qform_is_nonsense(tmp_path):
    save(tmp_path / "ct.nii")
    data = bytearray((tmp_path / "ct.nii").read_bytes())
    data[256:268] = np.array([9, 9, 9], np.float32).tobytes()  # a quaternion longer than one
    (tmp_path / "ct.nii").write_bytes(data)
    assert "its qform cannot be used, its sform was" in header_remarks(tmp_path / "ct.nii")[0]
    write_labels(tmp_path / "labels.nii.gz", np.ones((6, 5, 4), np.uint8), like=tmp_path / "ct.nii")
    assert np.array_equal(nib.load(tmp_path / "labels.nii.gz").affine, nib.load(tmp_path / "ct.nii").affine)
