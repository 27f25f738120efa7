"""Resampling onto another grid: what is exact has to be exact, what is interpolated has to agree with torch."""

import numpy as np
import pytest
import torch

from pnetkit.imaging.resampling import resample
from pnetkit.types import Grid, Scan


def scan_of(hu, affine):
    return Scan(hu.astype(np.float32), Grid(hu.shape, affine))


def test_a_scan_on_the_grid_already_is_given_back_untouched():
    scan = scan_of(np.full((2, 3, 4), 0.25), np.eye(4))
    assert resample(scan, Grid((2, 3, 4), np.eye(4))) is scan


def test_whole_voxels_of_shift_move_values_and_bring_in_air():
    hu = np.arange(24.0).reshape(2, 3, 4)
    moved = np.eye(4)
    moved[:3, 3] = [0, 1, 0]
    found = resample(scan_of(hu, np.eye(4)), Grid((2, 3, 4), moved))
    assert np.array_equal(found.hu[:, :2], hu[:, 1:])
    assert (found.hu[:, 2] == -1024).all()


def test_a_plane_of_hu_in_space_stays_that_plane_on_an_oblique_grid_of_other_spacing():
    affine = np.array([[0.9, 0.1, 0, -9], [-0.1, 0.8, 0, 2], [0, 0, 1.5, 3], [0, 0, 0, 1.0]])
    slope = np.array([7.0, -5.0, 11.0])

    def hu_of(grid):
        places = np.indices(grid.shape).reshape(3, -1)
        world = grid.affine[:3, :3] @ places + grid.affine[:3, 3:]
        return (slope @ world).reshape(grid.shape)

    source = Grid((30, 30, 30), affine)
    target = Grid((5, 6, 7), affine @ np.array([[2, 0, 0, 8], [0, 1.5, 0, 9], [0, 0, 0.5, 10], [0, 0, 0, 1.0]]))
    found = resample(Scan(hu_of(source).astype(np.float32), source), target)
    assert found.hu == pytest.approx(np.round(hu_of(target)), abs=1)
    assert found.grid is target


def test_interpolation_agrees_with_torch():
    rng = np.random.default_rng(0)
    hu = rng.integers(-500, 500, (9, 9, 9)).astype(np.float32)
    half = np.diag([0.5, 0.5, 0.5, 1.0])
    found = resample(Scan(hu, Grid((9, 9, 9), np.eye(4))), Grid((17, 17, 17), half)).hu
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(hu)[None, None], size=(17, 17, 17), mode="trilinear", align_corners=True
    )[0, 0].numpy()
    assert np.abs(found - wanted).max() <= 0.5
