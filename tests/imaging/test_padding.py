"""What pads a scan becomes air, and nothing that was measured does."""

import numpy as np
import pytest

from pnetkit.imaging.padding import pad_with_air, reaches_border


def slab(seed=0):
    """A round body of 40 HU in air, with some noise, in 48 by 48 by 6 voxels."""
    hu = np.random.default_rng(seed).normal(0, 3, (48, 48, 6)).astype(np.float32)
    x, y = np.ogrid[:48, :48]
    inside = (x - 23.5) ** 2 + (y - 23.5) ** 2 < 18**2
    hu += np.where(inside, 40, -1000).astype(np.float32)[..., None]
    outside = (x - 23.5) ** 2 + (y - 23.5) ** 2 > 23.5**2
    return hu, outside


def test_a_scan_that_nothing_pads_is_given_back_itself():
    hu, _ = slab()
    assert pad_with_air(hu) is hu


@pytest.mark.parametrize("value", [-1500.0, -2000.0, -3024.0, -8192.0])
def test_what_lies_below_every_measurement_is_air(value):
    hu, outside = slab()
    hu[outside] = value
    found = pad_with_air(hu)
    assert (found[outside] == -1024).all()
    assert np.array_equal(found[~outside], hu[~outside])


@pytest.mark.parametrize("value", [0.0, -500.0, 3071.0])
def test_corners_of_one_value_are_air_and_voxels_of_that_value_within_the_body_are_not(value):
    hu, outside = slab()
    hu[outside] = value
    hu[20:24, 20:24, 2] = value
    before = hu.copy()
    found = pad_with_air(hu)
    assert np.array_equal(hu, before)
    assert (found[outside] == -1000).all()
    assert np.array_equal(found[~outside], hu[~outside])


@pytest.mark.parametrize("x", [0, -1])
@pytest.mark.parametrize("y", [0, -1])
def test_a_single_corner_of_one_value_is_air_with_all_of_its_piece_in_its_slice_alone(x, y):
    """As where a volume was turned: a wedge without measurements on one side."""
    hu, _ = slab()
    i, j = np.ogrid[:48, :48]
    wedge = (i if x == 0 else 47 - i) + (j if y == 0 else 47 - j) < 14
    hu[wedge, 3] = 0
    found = pad_with_air(hu)
    assert (found[wedge, 3] == -1000).all()
    found[wedge, 3] = 0
    assert np.array_equal(found, hu)


@pytest.mark.parametrize("shape", [(48, 48, 6), (48, 96, 6), (96, 48, 6), (6, 6, 6), (6, 48, 6)])
def test_a_corner_is_looked_for_in_images_of_any_shape_that_have_four(shape):
    hu = np.random.default_rng(0).normal(40, 10, shape).astype(np.float32)
    hu[:3, :3] = 0
    assert (pad_with_air(hu)[:3, :3] == -1000).all()


@pytest.mark.parametrize("shape", [(5, 48, 6), (48, 5, 6)])
def test_an_image_that_is_too_narrow_for_four_corners_has_none(shape):
    hu = np.random.default_rng(0).normal(40, 10, shape).astype(np.float32)
    hu[:3, :3] = 0
    assert pad_with_air(hu) is hu


def test_whole_slices_of_one_value_are_air():
    hu, _ = slab()
    hu[:, :, :2] = 0
    found = pad_with_air(hu)
    assert (found[:, :, :2] == -1000).all()
    assert np.array_equal(found[:, :, 2:], hu[:, :, 2:])


def test_a_body_that_fills_the_image_is_no_padding():
    hu = np.random.default_rng(0).normal(40, 10, (48, 48, 6)).astype(np.float32)
    assert pad_with_air(hu) is hu


def test_pieces_that_reach_any_of_the_four_sides_reach_the_border_and_others_do_not():
    mask = np.zeros((9, 11), bool)
    inside = np.zeros_like(mask)
    mask[0:2, 5] = mask[7:9, 5] = mask[4, 0:2] = mask[4, 9:11] = True
    inside[1, 1] = inside[7, 9] = inside[4, 5] = True
    assert np.array_equal(reaches_border(mask | inside), mask)
