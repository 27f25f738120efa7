"""Reading and writing NIfTI: geometry is kept, and whatever is wrong with a file is said."""

import gzip
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pnetkit import files
from pnetkit.errors import ImageError
from pnetkit.imaging.nifti import label_values, read_grid, read_labels, read_scan, write_labels
from pnetkit.types import Grid

ORIENTATIONS = [
    (axes, signs) for axes in permutations(range(3)) for signs in product((1, -1), repeat=3)
]  # all 48 ways to store a volume along the patient's axes


def affine_of(axes, signs, spacing=(0.7, 0.8, 2.5), origin=(-100.0, 20.0, 33.0)):
    affine = np.eye(4)
    affine[:3, :3] = 0
    for column, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[axis, column] = sign * spacing[column]
    affine[:3, 3] = origin
    return affine


def save(path: Path, array, affine, *, sform=1, qform=0):
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, code=sform)
    image.set_qform(affine if qform else None, code=qform)
    nib.save(image, path)
    return path


def a_ct(shape=(6, 5, 4)):
    rng = np.random.default_rng(0)
    return rng.integers(-1000, 1000, size=shape).astype(np.int16)


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_every_voxel_keeps_its_place_in_the_patient_in_all_48_orientations(tmp_path, axes, signs):
    voxels, affine = a_ct(), affine_of(axes, signs)
    scan = read_scan(save(tmp_path / "ct.nii.gz", voxels, affine))
    index = np.array([4, 1, 2])
    world = affine @ [*index, 1]
    there = np.linalg.solve(scan.grid.affine, world)[:3]
    assert np.allclose(there, np.round(there), atol=1e-9)
    assert scan.hu[tuple(np.round(there).astype(int))] == voxels[tuple(index)]
    assert (np.diag(scan.grid.affine[:3, :3]) > 0).all()


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_written_labels_overlay_the_image_exactly_in_all_48_orientations(tmp_path, axes, signs):
    voxels, affine = a_ct(), affine_of(axes, signs)
    image = save(tmp_path / "ct.nii.gz", voxels, affine)
    scan = read_scan(image)
    write_labels(tmp_path / "seg.nii.gz", (scan.hu > 0).astype(np.uint8), like=image)
    written = nib.load(tmp_path / "seg.nii.gz")
    assert np.array_equal(written.affine, nib.load(image).affine)
    assert np.array_equal(np.asarray(written.dataobj), (voxels > 0).astype(np.uint8))
    labels, grid = read_labels(tmp_path / "seg.nii.gz")
    assert grid.matches(scan.grid)
    assert np.array_equal(labels, scan.hu > 0)


def test_an_oblique_affine_with_qform_is_kept(tmp_path):
    angle = 0.2
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([0.7, 0.7, 3])
    image = save(tmp_path / "ct.nii.gz", a_ct(), affine, sform=2, qform=1)
    write_labels(tmp_path / "seg.nii.gz", np.zeros((6, 5, 4), np.uint8), like=image)
    source, written = nib.load(image), nib.load(tmp_path / "seg.nii.gz")
    assert np.array_equal(written.affine, source.affine)
    assert np.allclose(written.get_qform(), source.get_qform(), atol=1e-6)
    assert (int(written.header["sform_code"]), int(written.header["qform_code"])) == (2, 1)


def test_the_same_labels_give_the_same_bytes_and_no_free_text_is_taken_over(tmp_path):
    image = nib.Nifti1Image(a_ct(), np.eye(4))
    image.header["descrip"] = b"DOE^JANE"
    nib.save(image, tmp_path / "ct.nii.gz")
    labels = np.ones((6, 5, 4), np.uint8)
    for name in ("a.nii.gz", "b.nii.gz"):
        write_labels(tmp_path / name, labels, like=tmp_path / "ct.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert b"DOE" not in gzip.decompress((tmp_path / "a.nii.gz").read_bytes())


def test_scaled_integers_are_read_in_hounsfield_units(tmp_path):
    image = nib.Nifti1Image(np.arange(120, dtype=np.int16).reshape(6, 5, 4) * 10, np.eye(4))
    image.header.set_slope_inter(2.0, -1024.0)
    nib.save(image, tmp_path / "ct.nii.gz")
    expected = np.asarray(nib.load(tmp_path / "ct.nii.gz").dataobj, dtype=np.float32)
    assert np.array_equal(read_scan(tmp_path / "ct.nii.gz").hu, expected)


def test_a_trailing_axis_of_one_is_no_fourth_axis(tmp_path):
    save(tmp_path / "ct.nii.gz", a_ct()[..., None], np.eye(4))
    assert read_scan(tmp_path / "ct.nii.gz").hu.shape == (6, 5, 4)


def with_nan():
    voxels = a_ct().astype(np.float32)
    voxels[0, 0, :3] = np.nan
    return voxels


@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        (with_nan(), r"3 of 120 voxels are NaN or infinite"),
        (np.zeros((6, 5, 4), np.int16), r"values run from 0 to 0"),
        (a_ct() + 1024, r"values run from .* rescale slope or intercept missing"),
        (np.linspace(0, 1, 120, dtype=np.float32).reshape(6, 5, 4), r"already normalized"),
        (np.stack([a_ct(), a_ct()], axis=-1), r"has shape \(6, 5, 4, 2\); wanted one volume with three axes"),
        (a_ct().astype(np.complex64), r"voxels are of type complex64"),
    ],
)
def test_what_no_ct_looks_like_is_refused(tmp_path, voxels, message):
    save(tmp_path / "ct.nii.gz", voxels, np.eye(4))
    with pytest.raises(ImageError, match=message):
        read_scan(tmp_path / "ct.nii.gz")


def test_an_image_without_orientation_is_refused(tmp_path):
    save(tmp_path / "ct.nii.gz", a_ct(), np.eye(4), sform=0, qform=0)
    with pytest.raises(ImageError, match="says nothing of its orientation"):
        read_scan(tmp_path / "ct.nii.gz")


def test_missing_truncated_and_foreign_files_are_named(tmp_path):
    whole = save(tmp_path / "ct.nii.gz", a_ct((40, 40, 40)), np.eye(4)).read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.nii.gz").write_text("not an image")
    (tmp_path / "bad.nii").write_bytes(b"\0" * 400)
    with pytest.raises(ImageError, match="there is no such file"):
        read_scan(tmp_path / "nowhere.nii.gz")
    with pytest.raises(ImageError, match=r"cut\.nii\.gz: cannot be unpacked .*truncated"):
        read_scan(tmp_path / "cut.nii.gz")
    for name in ("text.nii.gz", "bad.nii"):
        with pytest.raises(ImageError, match=r"cannot be (read as an image|unpacked)"):
            read_scan(tmp_path / name)


def test_a_singular_affine_is_refused(tmp_path):
    path = save(tmp_path / "ct.nii", a_ct(), np.eye(4))
    raw = bytearray(path.read_bytes())
    raw[280:296] = np.zeros(4, np.float32).tobytes()  # the first row of the sform
    path.write_bytes(bytes(raw))
    with pytest.raises(ImageError, match="singular"):
        read_scan(path)


def test_labels_are_mapped_and_unknown_values_are_errors_unless_told(tmp_path):
    organs = np.zeros((6, 5, 4), np.int16)
    organs[0], organs[1], organs[2] = 10, 8, 52
    save(tmp_path / "seg.nii.gz", organs, np.eye(4))
    with pytest.raises(ImageError, match=r"holds the label values 8, 10, 52; wanted 0 background"):
        read_labels(tmp_path / "seg.nii.gz")
    with pytest.raises(ImageError, match=r"holds the label values 52; wanted those mapped: \[0, 8, 10\]"):
        read_labels(tmp_path / "seg.nii.gz", {10: 1, 8: 0})
    labels, _ = read_labels(tmp_path / "seg.nii.gz", {10: 1}, unmapped="background")
    assert np.array_equal(labels, organs == 10)


def test_fractional_labels_are_refused(tmp_path):
    save(tmp_path / "seg.nii.gz", np.full((6, 5, 4), 0.5, np.float32), np.eye(4))
    with pytest.raises(ImageError, match=r"have to be whole numbers, got 0\.5"):
        read_labels(tmp_path / "seg.nii.gz")


@pytest.mark.parametrize("factor", [85, 3, 10])
def test_labels_that_a_scale_in_the_header_leaves_a_rounding_from_whole_numbers_are_whole(tmp_path, factor):
    labels = np.zeros((6, 5, 4), np.uint8)
    labels[1], labels[2], labels[3] = factor, 2 * factor, 3 * factor
    path = save(tmp_path / "seg.nii", labels, np.eye(4))
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([1 / factor, 0], np.float32).tobytes()  # slope and intercept
    path.write_bytes(raw)
    assert np.array_equal(read_labels(path)[0], labels // factor)
    assert label_values(path).tolist() == [0, 1, 2, 3]


def test_labels_close_to_whole_numbers_are_shown_with_the_digits_in_which_they_are_not(tmp_path):
    labels = np.zeros((6, 5, 4), np.float32)
    labels[1] = 1.001
    save(tmp_path / "seg.nii.gz", labels, np.eye(4))
    with pytest.raises(ImageError, match=r"have to be whole numbers, got 0, 1\.001"):
        read_labels(tmp_path / "seg.nii.gz")


def test_the_grid_is_the_same_with_and_without_voxels(tmp_path):
    path = save(tmp_path / "ct.nii.gz", a_ct(), affine_of((1, 2, 0), (1, -1, -1)))
    assert read_grid(path).corner_distance_mm(read_scan(path).grid) == 0


def test_a_failed_write_leaves_the_old_file(tmp_path):
    image = save(tmp_path / "ct.nii.gz", a_ct(), np.eye(4))
    write_labels(tmp_path / "seg.nii.gz", np.ones((6, 5, 4), np.uint8), like=image)
    before = (tmp_path / "seg.nii.gz").read_bytes()
    with pytest.raises(ValueError, match="labels have shape"):
        write_labels(tmp_path / "seg.nii.gz", np.ones((5, 5, 4), np.uint8), like=image)
    assert (tmp_path / "seg.nii.gz").read_bytes() == before


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_halfway_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch, step):
    image = save(tmp_path / "ct.nii.gz", a_ct(), np.eye(4))
    write_labels(tmp_path / "seg.nii.gz", np.ones((6, 5, 4), np.uint8), like=image)
    before, there = (tmp_path / "seg.nii.gz").read_bytes(), sorted(tmp_path.iterdir())

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((files.os, "fsync") if step == "fsync" else (Path, "replace")), full)
    with pytest.raises(OSError, match="No space left"):
        write_labels(tmp_path / "seg.nii.gz", np.zeros((6, 5, 4), np.uint8), like=image)
    assert (tmp_path / "seg.nii.gz").read_bytes() == before
    assert sorted(tmp_path.iterdir()) == there


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_the_values_of_a_label_map_are_found_in_every_number_type(tmp_path, dtype):
    labels = np.zeros((6, 5, 4), dtype)
    labels[0, 0, 0], labels[5, 4, 3], labels[2] = 3, 200, 1
    path = save(tmp_path / "labels.nii.gz", labels, np.eye(4))
    assert label_values(path).tolist() == [0, 1, 3, 200]


@pytest.mark.parametrize("sheared", [False, True])
def test_labels_written_on_a_grid_lie_on_it_for_every_reader_also_when_it_is_sheared(tmp_path, sheared):
    affine = affine_of((0, 1, 2), (1, 1, 1))
    if sheared:
        affine[1, 2] = 0.4  # a tilted gantry: slices are stacked along another line than their normal
    labels = np.arange(60, dtype=np.uint8).reshape(5, 4, 3) % 4
    write_labels(tmp_path / "seg.nii.gz", labels, like=Grid((5, 4, 3), affine))
    written = nib.load(tmp_path / "seg.nii.gz")
    assert np.array_equal(np.asarray(written.dataobj), labels)
    assert np.allclose(written.get_sform(), affine, atol=1e-6)
    assert int(written.header["qform_code"]) == (0 if sheared else 1)
    if not sheared:
        assert np.allclose(written.get_qform(), affine, atol=1e-5)
    found, grid = read_labels(tmp_path / "seg.nii.gz")
    assert np.array_equal(found, labels)
    assert np.allclose(grid.affine, affine, atol=1e-6)
