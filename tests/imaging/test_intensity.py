"""Intensity: what the network sees of Hounsfield units."""

import numpy as np
import pytest

from pnetkit.imaging.intensity import fit_intensity, normalization_in_words


def volume():
    return np.random.default_rng(1).normal(30, 300, size=(8, 9, 10)).astype(np.float32)


def test_z_score_has_zero_mean_and_unit_variance_over_the_clipped_volume():
    hu = volume()
    x = fit_intensity(hu, window_hu=(-100, 240), normalization="z-score").apply(hu)
    assert abs(float(x.mean(dtype=np.float64))) < 1e-5
    assert float(x.std(dtype=np.float64)) == pytest.approx(1, abs=1e-5)
    assert x.dtype == np.float32


def test_unit_maps_the_window_to_zero_and_one_and_none_keeps_clipped_hu():
    hu = np.array([[[-1000, -100, 70, 240, 3000]]], dtype=np.float32)
    unit = fit_intensity(hu, window_hu=(-100, 240), normalization="unit").apply(hu)
    assert np.allclose(unit, [[[0, 0, 0.5, 1, 1]]])
    none = fit_intensity(hu, window_hu=(-100, 240), normalization="none").apply(hu)
    assert np.array_equal(none, [[[-100, -100, 70, 240, 240]]])


def test_a_part_of_the_volume_gets_the_same_values_as_the_whole():
    hu = volume()
    intensity = fit_intensity(hu, window_hu=(-100, 240), normalization="z-score")
    assert np.array_equal(intensity.apply(hu[2:5]), intensity.apply(hu)[2:5])
    whole = hu.round()
    assert np.array_equal(intensity.apply(whole.astype(np.int16)), intensity.apply(whole))


def test_air_is_the_lowest_value_and_a_constant_volume_is_no_division_by_zero():
    hu = volume()
    intensity = fit_intensity(hu, window_hu=(-100, 240), normalization="z-score")
    assert intensity.air == intensity.apply(hu).min()
    flat = np.full((2, 2, 2), 50, np.float32)
    assert np.array_equal(fit_intensity(flat, window_hu=(-100, 240), normalization="z-score").apply(flat), flat * 0)


def test_fixed_takes_the_numbers_that_are_given_and_says_them():
    hu = np.array([[[-1000, 60, 110, 160, 3000]]], dtype=np.float32)
    fixed = fit_intensity(hu, window_hu=(60, 160), normalization="fixed", fixed_hu=(110, 25)).apply(hu)
    assert np.allclose(fixed, [[[-2, -2, 0, 2, 2]]])
    said = {"normalization": "fixed", "mean_hu": 110.0, "deviation_hu": 25.0}
    assert normalization_in_words(said) == "fixed: mean 110 HU, deviation 25 HU"
    assert normalization_in_words({"normalization": "unit"}) == "unit"
