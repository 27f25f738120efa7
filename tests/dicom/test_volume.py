"""Reading volumes: every voxel at its place, in HU, or an error that names the images."""

import warnings
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from pnetkit.dicom.series import find_series
from pnetkit.dicom.volume import on_images, read_series
from pnetkit.errors import ImageError
from tests.dicom.synthetic import AFFINE, some_hu, write_series
from tests.unpacking import unpack

REAL = Path(__file__).parents[3] / "shared" / "data" / "totalsegmentator_tests"


def read(folder):
    (series,) = find_series(folder).series
    return read_series(series)


def test_every_voxel_keeps_its_place_and_its_hu(tmp_path):
    hu = some_hu()
    write_series(tmp_path, hu, AFFINE)
    found = read(tmp_path)
    assert np.array_equal(found.scan.hu, hu)
    assert np.allclose(found.scan.grid.affine, AFFINE)
    assert found.flags == ()


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_images_hold_the_same_values(tmp_path, syntax):
    hu = some_hu((80, 64, 3))
    write_series(tmp_path, hu, AFFINE, syntax=syntax)
    assert pydicom.dcmread(tmp_path / "IM0000").file_meta.TransferSyntaxUID == syntax
    assert np.array_equal(read(tmp_path).scan.hu, hu)


DIRECTIONS = [
    ([1, 0, 0], [0, 1, 0]),  # head first, supine
    ([-1, 0, 0], [0, -1, 0]),  # prone
    ([-1, 0, 0], [0, 1, 0]),
    ([1, 0, 0], [0, -1, 0]),
    ([0, 1, 0], [1, 0, 0]),
    ([0, 1, 0], [0, 0, -1]),  # sagittal
    ([1, 0, 0], [0, 0, -1]),  # coronal
    ([np.cos(0.2), np.sin(0.2), 0], [-np.sin(0.2), np.cos(0.2), 0]),  # oblique
]


@pytest.mark.slow
@pytest.mark.parametrize(("row", "column"), DIRECTIONS)
@pytest.mark.parametrize("reverse", [False, True])
def test_any_direction_of_images_and_any_order_of_files_gives_what_highdicom_reads(tmp_path, row, column, reverse):
    normal = np.cross(row, column)

    def turned(dataset, k):
        dataset.ImageOrientationPatient = [float(v) for v in (*row, *column)]
        place = np.array([10.0, -20.0, 30.0]) + normal * 2.5 * (-k if reverse else k)
        dataset.ImagePositionPatient = [float(v) for v in place]

    write_series(tmp_path, some_hu(), AFFINE, change=turned)
    found = read(tmp_path)
    images = [pydicom.dcmread(path) for path in sorted(tmp_path.iterdir())]
    theirs = highdicom.get_volume_from_series(images).to_patient_orientation("RAS")
    assert np.array_equal(found.scan.hu, theirs.array)
    assert np.allclose(found.scan.grid.affine, theirs.get_affine("RAS"))


def test_a_tilted_gantry_keeps_its_shear_and_is_flagged(tmp_path):
    def tilted(dataset, k):
        x, y, z = (float(v) for v in dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, y + 0.5 * k, z]

    hu = some_hu()
    write_series(tmp_path, hu, AFFINE, change=tilted)
    found = read(tmp_path)
    degrees = np.degrees(np.arctan(0.5 / 2.5))
    assert found.stack.tilt_degrees == pytest.approx(degrees, abs=0.01)
    assert f"tilted by {degrees:.1f} degrees" in found.flags[0]
    assert np.array_equal(found.scan.hu, hu)
    for index in ([0, 0, 0], [6, 5, 4], [3, 1, 2]):
        straight = AFFINE @ [*index, 1]
        there = found.scan.grid.affine @ [*index, 1]
        assert np.allclose(there[:3], straight[:3] - [0, 0.5 * index[2], 0])


def without(folder, *numbers):
    for number in numbers:
        (folder / f"IM{number:04d}").unlink()


def test_missing_images_are_named_with_their_neighbors(tmp_path):
    write_series(tmp_path, some_hu((4, 4, 12)), AFFINE)
    without(tmp_path, 3, 7, 8)
    with pytest.raises(ImageError, match=r"missing: 1 between IM0002 and IM0004 .*; 2 between IM0006 and IM0009"):
        read(tmp_path)


def test_two_images_at_one_place_are_named(tmp_path):
    def doubled(dataset, k):
        if k == 3:
            dataset.ImagePositionPatient = [
                *dataset.ImagePositionPatient[:2],
                dataset.ImagePositionPatient[2] - 2.5,
            ]

    write_series(tmp_path, some_hu((4, 4, 9)), AFFINE, change=doubled)
    with pytest.raises(ImageError, match="1 images lie where another one does: IM0002 and IM0003"):
        read(tmp_path)


def test_uneven_spacing_is_refused_and_rounded_positions_are_not(tmp_path):
    def shifted(by):
        def change(dataset, k):
            x, y, z = (float(v) for v in dataset.ImagePositionPatient)
            dataset.ImagePositionPatient = [x, y, z + by * (k == 4)]

        return change

    write_series(tmp_path / "uneven", some_hu((4, 4, 9)), AFFINE, change=shifted(0.8))
    with pytest.raises(ImageError, match=r"unevenly spaced, 1\.7 to 3\.3 mm apart; IM0004"):
        read(tmp_path / "uneven")
    write_series(tmp_path / "rounded", some_hu((4, 4, 9)), AFFINE, change=shifted(0.05))
    assert read(tmp_path / "rounded").scan.grid.spacing_mm[2] == pytest.approx(2.5)


def drop(keyword):
    return lambda dataset, k: delattr(dataset, keyword) if k == 2 else None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (drop("ImagePositionPatient"), "ImagePositionPatient is None, wanted 3 numbers"),
        (drop("ImageOrientationPatient"), "ImageOrientationPatient is None"),
        (drop("PixelSpacing"), "PixelSpacing is None"),
        (drop("RescaleSlope"), "no rescale slope and intercept"),
        (drop("Rows"), "IM0002: has no Rows, so its voxels have no place"),
        (lambda d, k: setattr(d, "PixelSpacing", [0.9, 0.9]) if k == 2 else None, "its PixelSpacing is"),
        (lambda d, k: setattr(d, "ImageOrientationPatient", [0, 1, 0, 1, 0, 0]) if k == 2 else None, "not one volume"),
        (lambda d, k: setattr(d, "PixelData", d.PixelData[:20]) if k == 2 else None, "its voxels cannot be read"),
        (lambda d, _: setattr(d, "RescaleIntercept", 5000), "values run from"),
        (lambda d, k: setattr(d, "RescaleIntercept", -24) if k == 2 else None, "its RescaleIntercept is"),
        (lambda d, k: setattr(d, "RescaleSlope", 2) if k == 2 else None, "its RescaleSlope is"),
        (lambda d, _: setattr(d, "Rows", 65535) or setattr(d, "Columns", 65535), "its voxels cannot be read"),
        (lambda d, k: setattr(d, "SamplesPerPixel", 3) if k == 2 else None, "color image"),
        (lambda d, k: setattr(d, "NumberOfFrames", 7) if k == 2 else None, "several frames"),
    ],
)
def test_whatever_is_wrong_with_an_image_is_said_with_its_file(tmp_path, change, reason):
    write_series(tmp_path, some_hu(), AFFINE, change=change)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of some of these, too
        with pytest.raises(ImageError, match=reason):
            read(tmp_path)


@pytest.mark.slow
@given(st.integers(2, 6), st.integers(1, 5), st.integers(2, 5), st.sampled_from(DIRECTIONS), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_labels_laid_on_images_and_back_are_the_same(tmp_path_factory, x, y, z, direction, seed):
    folder = tmp_path_factory.mktemp("series")
    row, column = direction
    normal = np.cross(row, column)

    def turned(dataset, k):
        dataset.ImageOrientationPatient = [float(v) for v in (*row, *column)]
        dataset.ImagePositionPatient = [float(v) for v in normal * 2.5 * k]

    hu = some_hu((x, y, z), seed)
    hu.flat[0], hu.flat[-1] = -1000, 1000
    write_series(folder, hu, AFFINE, change=turned)
    found = read(folder)
    values = on_images((found.scan.hu > 0).astype(np.uint8), found.stack)
    stored = [pydicom.dcmread(of.path) for of in found.stack.instances]
    assert np.array_equal(values, np.stack([of.pixel_array > 1024 for of in stored]))


@pytest.mark.skipif(not REAL.is_dir(), reason="no real CTs here")
def test_a_real_series_with_empty_uids_and_jpeg_2000_lies_where_its_segmentation_does(tmp_path):
    import nibabel as nib

    unpack(REAL / "example_ct_dicom.tar.gz", tmp_path)
    found = read(tmp_path)
    theirs = nib.as_closest_canonical(nib.load(REAL / "example_seg_dicom.nii.gz"))
    assert np.allclose(found.scan.grid.affine, theirs.affine, atol=1e-3)
    organs = np.asarray(theirs.dataobj)
    assert 80 < np.median(found.scan.hu[organs == 5]) < 120  # the liver
    assert 150 < np.median(found.scan.hu[organs == 52]) < 200  # the aorta
    assert "made up from their contents" in found.flags[0]
