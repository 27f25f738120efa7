"""Scans as notebooks have them: what is read of an array is what is read of its file, and what is none is refused."""

import nibabel as nib
import numpy as np
import pytest

from pnetkit.api.scans import as_given, source_of
from pnetkit.errors import ImageError

AFFINE = np.array([[-0.8, 0, 0, 90], [0, 0, 2.5, -40], [0, -0.7, 0, 12], [0, 0, 0, 1.0]])  # axes left, down, front


def body(shape=(20, 18, 16)):
    rng = np.random.default_rng(1)
    hu = rng.integers(-150, 150, shape).astype(np.int16)
    hu[0], hu[-1] = -1000, 100
    return hu


def saved(path, hu=None, affine=AFFINE):
    nib.save(nib.Nifti1Image(body() if hu is None else hu, affine), path)
    return path


@pytest.mark.parametrize("kind", ["array and affine", "nibabel image"])
def test_a_scan_in_memory_is_read_as_its_file_is(kind, tmp_path):
    path = saved(tmp_path / "a.nii")
    image = nib.load(path)
    given = image if kind == "nibabel image" else (np.asarray(image.dataobj), image.affine)
    wanted, found = source_of(path, "venous").load().scan, source_of(given, "venous").load().scan
    np.testing.assert_array_equal(found.hu, wanted.hu)
    np.testing.assert_allclose(found.grid.affine, wanted.grid.affine, atol=1e-6)
    labels = np.arange(found.hu.size, dtype=np.uint8).reshape(found.hu.shape)
    np.testing.assert_array_equal(as_given(labels, given), as_given(labels, path))
    assert as_given(labels, given).shape == (20, 18, 16)


def test_an_array_with_a_spacing_runs_to_the_right_the_front_and_the_head():
    scan = source_of((body(), (0.5, 0.6, 2.0)), "venous").load().scan
    np.testing.assert_array_equal(scan.hu, body())
    assert scan.grid.spacing_mm == pytest.approx((0.5, 0.6, 2.0))


def test_arrays_of_one_content_have_one_digest_whatever_their_memory_looks_like():
    digest = source_of((body(), AFFINE), "venous").digest()
    assert source_of((np.asfortranarray(body()), AFFINE), "venous").digest() == digest
    assert source_of((body() + 1, AFFINE), "venous").digest() != digest
    assert source_of((body(), AFFINE @ np.diag([2, 1, 1, 1])), "venous").digest() != digest


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (body(), "venous: wanted a NIfTI file, a nibabel image, or .array, affine."),
        ((body()[0], AFFINE), r"wanted an array of numbers \(x, y, z\), got int16 of shape \(18, 16\)"),
        ((body(), [1.0, 2.0]), r"wanted an affine \(4, 4\) or a spacing in mm \(3,\), got shape \(2,\)"),
        ((body(), np.zeros((4, 4))), "venous: "),
        ((body(), (0.0, 1.0, 1.0)), "venous: "),
        ((body().astype(str), AFFINE), "wanted an array of numbers"),
    ],
    ids=["no affine", "a slice", "half a spacing", "no grid", "flat voxels", "texts"],
)
def test_what_is_no_scan_is_refused_with_its_phase(given, said):
    with pytest.raises(ImageError, match=said):
        source_of(given, "venous")


def test_a_folder_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(ImageError, match=r"is a folder; wanted a NIfTI file.*screen\(FOLDER\)"):
        source_of(tmp_path, "venous")


def test_values_that_no_ct_has_are_refused_when_they_are_read():
    hu = body().astype(float)
    hu[3, 3, 3] = np.nan
    source = source_of((hu, AFFINE), "venous")
    with pytest.raises(ImageError, match="venous: 1 of 5760 voxels are NaN"):
        source.load()
