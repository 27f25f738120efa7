"""What pads a scan becomes air, and nothing that was measured does."""

import numpy as np
import pytest

from pnetkit.imaging.padding import pad_with_air


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


def test_whole_slices_of_one_value_are_air():
    hu, _ = slab()
    hu[:, :, :2] = 0
    found = pad_with_air(hu)
    assert (found[:, :, :2] == -1000).all()
    assert np.array_equal(found[:, :, 2:], hu[:, :, 2:])


def test_a_body_that_fills_the_image_is_no_padding():
    hu = np.random.default_rng(0).normal(40, 10, (48, 48, 6)).astype(np.float32)
    assert pad_with_air(hu) is hu
