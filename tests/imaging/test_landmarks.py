"""Landmarks of the abdomen: on phantoms whose anatomy is known, and on whatever else a folder may hold."""

from functools import lru_cache

import numpy as np
import pytest

from pnetkit.cohort.phantom.generate import PhantomSpec, phantom_case
from pnetkit.imaging.landmarks import find_landmarks
from pnetkit.types import Grid, Scan


@lru_cache
def case(seed):
    return phantom_case(PhantomSpec(seed=seed), seed)


def phantom(seed, phase):
    found = case(seed).scans[phase]
    return Scan(found.hu.astype(np.float32), Grid(found.hu.shape, found.affine))


def with_voxels(scan, hu, affine=None):
    return Scan(np.ascontiguousarray(hu), Grid(hu.shape, scan.grid.affine if affine is None else affine))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_aorta_of_a_phantom_is_found_with_its_enhancement_and_so_is_the_liver(seed):
    arterial, venous = (find_landmarks(phantom(seed, phase)) for phase in ("arterial", "venous"))
    assert 220 < arterial.vessel_hu < 400
    assert 115 < venous.vessel_hu < 190
    assert 55 < arterial.liver_hu < 110
    assert 95 < venous.liver_hu < 150
    for found in (arterial, venous):
        assert found.right_core_ml > 80
        assert found.left_core_ml < 20
        assert found.cut_off_share == 0


def test_a_mirrored_image_has_its_liver_on_the_left():
    scan = phantom(0, "venous")
    mirrored = find_landmarks(with_voxels(scan, scan.hu[::-1]))
    assert mirrored.left_core_ml > 80
    assert mirrored.right_core_ml < 20


def test_without_contrast_no_vessel_is_found():
    scan = phantom(0, "venous")
    assert find_landmarks(with_voxels(scan, np.minimum(scan.hu, 60))).vessel_hu is None


def test_a_small_field_of_view_cuts_the_body_off_on_both_sides():
    scan = phantom(0, "venous")
    assert find_landmarks(with_voxels(scan, scan.hu[30:-30])).cut_off_share > 0.9


def test_the_height_is_that_of_the_scan_along_the_body():
    scan = phantom(0, "venous")
    assert find_landmarks(scan).height_mm == pytest.approx(64 * 3.0)


@pytest.mark.parametrize("value", [-1000.0, 50.0, 3000.0])
@pytest.mark.parametrize("shape", [(1, 1, 1), (64, 64, 2), (3, 200, 7)])
def test_volumes_that_are_no_abdomen_have_no_landmarks_and_raise_nothing(value, shape):
    found = find_landmarks(Scan(np.full(shape, value, np.float32), Grid(shape, np.diag([1.0, 1.0, 3.0, 1.0]))))
    assert found.vessel_hu is None
    assert found.height_mm == pytest.approx(3.0 * shape[2])


def test_noise_is_no_vessel():
    rng = np.random.default_rng(0)
    hu = rng.normal(0, 150, (96, 96, 40)).astype(np.float32)
    assert find_landmarks(Scan(hu, Grid(hu.shape, np.diag([3.0, 3.0, 4.0, 1.0])))).vessel_hu is None
