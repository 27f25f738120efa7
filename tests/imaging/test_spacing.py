"""Resampling: values by hand, alignment by the scanner's coordinates, independent implementations, memory."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from pnetkit.imaging.boxes import Box, bounding_box
from pnetkit.imaging.spacing import (
    Shares,
    at_spacing,
    grid_at,
    labels_on,
    largest_shares,
    median_spacing,
    resampled,
    shares_of_labels,
    weights_between,
)
from pnetkit.types import Grid, Scan

OBLIQUE = np.array([[0.8, -0.1, 0.0, -90.0], [0.1, 0.8, 0.3, 40.0], [0.0, -0.04, 2.4, 700.0], [0, 0, 0, 1]])


def along_z(values, spacing=2.0):
    """A scan of one line along z."""
    hu = np.array(values, np.float32).reshape(1, 1, -1)
    return Scan(hu, Grid(hu.shape, np.diag([1.0, 1.0, spacing, 1.0])))


def world(grid, index):
    return grid.affine[:3, :3] @ np.array(index, float) + grid.affine[:3, 3]


def test_a_finer_grid_keeps_the_field_of_view_so_its_first_center_lies_half_of_its_voxel_from_the_edge():
    # three voxels of 2 mm, centers at 0, 2 and 4: the field is -1 to 5. Six voxels of 1 mm: centers at -0.5, 0.5 … 4.5
    scan = at_spacing(along_z([0, 100, 200]), (1.0, 1.0, 1.0))
    assert scan.grid.shape == (1, 1, 6)
    assert world(scan.grid, (0, 0, 0)).tolist() == [0, 0, -0.5]
    assert world(scan.grid, (0, 0, 5)).tolist() == [0, 0, 4.5]
    assert scan.hu.reshape(-1).tolist() == [0, 25, 75, 125, 175, 200]  # the edge goes on beyond the last center


def test_a_coarser_voxel_is_the_mean_of_its_neighbors_under_a_triangle_as_wide_as_it_is():
    # four voxels of 1 mm at 0 … 3, two of 2 mm at 0.5 and 2.5. Of the first: weights at distances .5, .5, 1.5 are
    # .75, .75, .25 (and one beyond the edge is left out): (0 * .75 + 80 * .75 + 160 * .25) / 1.75
    scan = at_spacing(along_z([0, 80, 160, 240], spacing=1.0), (1.0, 1.0, 2.0))
    assert world(scan.grid, (0, 0, 0)).tolist() == [0, 0, 0.5]
    assert scan.hu.reshape(-1).tolist() == [round(100 / 1.75), round((240 * 0.75 + 160 * 0.75 + 80 * 0.25) / 1.75)]


def test_noise_is_averaged_where_voxels_become_larger():
    rng = np.random.default_rng(0)
    scan = Scan(rng.normal(0, 100, (24, 24, 24)).astype(np.float32), Grid((24, 24, 24), np.eye(4)))
    inside = at_spacing(scan, (2.0, 2.0, 2.0)).hu[1:-1, 1:-1, 1:-1]
    assert inside.std() < 50  # a sample of every second voxel would have 100


@given(
    shape=st.tuples(*[st.integers(2, 9)] * 3),
    spacing=st.tuples(*[st.floats(0.4, 3.5)] * 3),
)
@settings(max_examples=30)
def test_both_grids_have_one_center_and_parallel_axes_and_the_spacing_asked_for(shape, spacing):
    grid = Grid(shape, OBLIQUE)
    at = grid_at(grid, spacing)
    middles = [world(of, (np.array(of.shape) - 1) / 2) for of in (grid, at)]
    assert np.abs(middles[0] - middles[1]).max() < 1e-9
    for axis, (own, wanted, n) in enumerate(zip(grid.spacing_mm, spacing, shape, strict=True)):
        stays = abs(own / wanted - 1) * n <= 0.1
        assert abs(at.spacing_mm[axis] - (own if stays else wanted)) < 1e-9
        assert abs(at.shape[axis] * at.spacing_mm[axis] - n * own) <= max(at.spacing_mm[axis] / 2 + 1e-9, 0) or (
            at.shape[axis] == 1
        )
        direction = at.affine[:3, axis] / at.spacing_mm[axis] - grid.affine[:3, axis] / own
        assert np.abs(direction).max() < 1e-9


def test_a_ramp_in_the_patients_coordinates_is_the_same_ramp_at_any_spacing():
    # linear interpolation of a linear function is exact, so this holds the affine to the voxels: to 1e-6 of a mm
    grid = Grid((12, 10, 8), OBLIQUE)
    at = grid_at(grid, (0.5, 0.7, 1.1))

    def ramp(of):
        index = np.stack(np.meshgrid(*map(np.arange, of.shape), indexing="ij"), axis=-1)
        return (index @ of.affine[:3, :3].T + of.affine[:3, 3]) @ [0.3, -0.2, 0.5]

    got, want = resampled(ramp(grid).astype(np.float32), grid, at), ramp(at)
    inside = (slice(2, -2),) * 3
    assert np.abs(got[inside] - want[inside]).max() < 2e-4  # of values near 300, in single precision


def test_smaller_voxels_are_what_scipy_interpolates_at_their_coordinates():
    rng = np.random.default_rng(1)
    grid = Grid((9, 8, 7), OBLIQUE)
    hu = rng.normal(0, 300, grid.shape).astype(np.float32)
    at = grid_at(grid, (0.5, 0.61, 1.3))
    index = np.stack([*np.meshgrid(*map(np.arange, at.shape), indexing="ij"), np.ones(at.shape)])
    places = np.einsum("ij,jxyz->ixyz", np.linalg.inv(grid.affine) @ at.affine, index)[:3]
    want = map_coordinates(hu, places, order=1, mode="nearest")
    assert np.abs(resampled(hu, grid, at) - want).max() < 1e-3


@pytest.mark.parametrize("size", [(8, 12), (24, 30), (8, 30)])
def test_whole_factors_are_what_torch_resizes_with_antialiasing(size):
    rng = np.random.default_rng(2)
    hu = rng.normal(0, 300, (1, 16, 24)).astype(np.float32)
    grid = Grid(hu.shape, np.eye(4))
    at = grid_at(grid, (1.0, 16 / size[0], 24 / size[1]))
    assert at.shape == (1, *size)
    want = torch.nn.functional.interpolate(
        torch.from_numpy(hu)[None], size=size, mode="bilinear", antialias=True, align_corners=False
    )
    assert np.abs(resampled(hu, grid, at) - want[0].numpy()).max() < 1e-2


@given(spacing=st.tuples(*[st.sampled_from([0.5, 0.7, 1.0, 1.6, 2.5])] * 3), axis=st.integers(0, 2))
@settings(max_examples=20)
def test_a_mirrored_scan_gives_the_mirrored_result(spacing, axis):
    rng = np.random.default_rng(3)
    hu = rng.integers(-1000, 1000, (7, 6, 5)).astype(np.float32)
    grid = Grid(hu.shape, np.eye(4))
    at = grid_at(grid, spacing)
    there = resampled(np.ascontiguousarray(np.flip(hu, axis)), grid, at)
    assert np.abs(np.flip(there, axis) - resampled(hu, grid, at)).max() < 1e-3


def test_a_scan_that_has_the_spacing_is_given_back_as_it_is_and_so_is_an_axis():
    grid = Grid((40, 40, 20), np.diag([0.7031, 0.7031, 2.5, 1.0]))  # as tools round 0.703125
    scan = Scan(np.zeros(grid.shape, np.float32), grid)
    assert at_spacing(scan, (0.703125, 0.703125, 2.5)) is scan
    assert at_spacing(scan, None) is scan
    at = at_spacing(scan, (0.703125, 0.703125, 1.25)).grid
    assert at.shape == (40, 40, 40)
    assert at.spacing_mm == pytest.approx((0.7031, 0.7031, 1.25), abs=1e-12)
    x, _, _ = weights_between(grid, at)
    assert x.weights.tolist() == [[1.0]] * 40


def test_values_are_whole_hounsfield_units():
    scan = at_spacing(along_z([0, 101, 37]), (1.0, 1.0, 0.7))
    assert (scan.hu == np.round(scan.hu)).all()
    assert scan.hu.dtype == np.float32


def test_grids_that_are_turned_against_each_other_are_refused():
    turned = np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    with pytest.raises(ValueError, match="not parallel"):
        resampled(np.zeros((2, 2, 2), np.float32), Grid((2, 2, 2), np.eye(4)), Grid((2, 2, 2), turned))


def test_the_median_is_taken_along_each_axis():
    edges = [(0.7, 0.7, 5.0), (0.8, 0.6, 1.0), (0.9, 0.9, 2.5)]
    assert median_spacing([Grid((4, 4, 4), np.diag([*of, 1.0])) for of in edges]) == (0.8, 0.7, 2.5)
    with pytest.raises(ValueError, match="no spacing"):
        median_spacing([])


def by_hand(labels, grid, target):
    """Each class as a volume of ones, interpolated by itself; the largest, the lowest one on a tie."""
    shares = np.stack([resampled((labels == value).astype(np.float32), grid, target) for value in range(4)])
    return np.argmax(np.round(shares, 4), axis=0)


@given(
    seed=st.integers(0, 99),
    spacing=st.tuples(*[st.sampled_from([0.5, 0.9, 1.0, 1.7, 2.5])] * 3),
)
@settings(max_examples=25)
def test_labels_are_those_of_the_largest_share_of_every_class_by_itself(seed, spacing):
    rng = np.random.default_rng(seed)
    labels = np.zeros((10, 9, 8), np.uint8)
    labels[3:7, 2:7, 2:6] = rng.integers(0, 4, (4, 5, 4))
    grid = Grid(labels.shape, np.eye(4))
    at = grid_at(grid, spacing)
    assert np.array_equal(labels_on(labels, grid, at), by_hand(labels, grid, at))
    assert np.array_equal(labels_on(labels, at := Grid(labels.shape, np.eye(4)), at), labels)


def test_a_tie_goes_to_the_lowest_label():
    # of 3 and 2 side by side, a voxel of twice the size has half of each
    labels = np.array([3, 2], np.uint8).reshape(1, 1, 2)
    grid = Grid(labels.shape, np.eye(4))
    assert labels_on(labels, grid, grid_at(grid, (1.0, 1.0, 2.0))).tolist() == [[[2]]]


def test_voxels_that_are_to_be_ignored_stay_so_where_they_are_the_most():
    labels = np.array([0, 0, 255, 255, 2, 2, 1, 240], np.uint8).reshape(1, 1, 8)
    grid = Grid(labels.shape, np.eye(4))
    coarse = labels_on(labels, grid, grid_at(grid, (1.0, 1.0, 2.0)))
    assert coarse.tolist() == [[[0, 255, 2, 1]]]
    fine = labels_on(labels, grid, grid_at(grid, (1.0, 1.0, 0.5)))
    assert set(np.unique(fine)) == {0, 1, 2, 240, 255}


def test_labels_of_nothing_but_background_are_background_anywhere():
    grid = Grid((4, 4, 4), np.eye(4))
    assert not labels_on(np.zeros((4, 4, 4), np.uint8), grid, grid_at(grid, (0.5, 0.5, 0.5))).any()


def test_a_border_between_two_voxels_lies_where_the_shares_of_votes_put_it_and_not_halfway():
    # two voxels of 4 mm at 0 and 4: in the first 9 of 10 windows said pancreas, in the second 3 of 10. At 1 mm the
    # share falls by .15 a mm and is half at 2.67 mm; hard labels would put the border at 2 mm
    counts = np.zeros((4, 1, 1, 2), np.float32)
    counts[1] = [0.9, 0.3]
    counts[0] = 1 - counts[1]
    coarse = Grid((1, 1, 2), np.diag([1.0, 1.0, 4.0, 1.0]))
    fine = grid_at(coarse, (1.0, 1.0, 1.0))  # centers at -1.5, -0.5, … 5.5
    shares = Shares(lambda x, y, z: counts[:, x, y, z], coarse, Box((0, 0, 0), (1, 1, 1)))
    assert largest_shares([shares], fine).reshape(-1).tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    hard = np.array([1, 0], np.uint8).reshape(1, 1, 2)
    assert labels_on(hard, coarse, fine).reshape(-1).tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


def test_shares_of_several_grids_are_averaged_by_their_weights():
    grid = Grid((1, 1, 4), np.eye(4))
    other = grid_at(grid, (1.0, 1.0, 0.5))
    one = shares_of_labels(np.array([0, 1, 1, 0], np.uint8).reshape(1, 1, 4), grid)
    labels = np.array([0, 0, 2, 2, 2, 2, 2, 2], np.uint8).reshape(1, 1, 8)
    alone = labels_on(labels, other, grid).reshape(-1).tolist()
    assert alone == [0, 2, 2, 2]
    for weight, want in [(3.0, [0, 2, 2, 2]), (0.2, [0, 1, 1, 0])]:
        both = [one, Shares(shares_of_labels(labels, other).cut, other, bounding_box(labels > 0), weight)]
        assert largest_shares(both, grid).reshape(-1).tolist() == want


def test_bringing_a_volume_and_labels_to_a_spacing_takes_no_more_than_the_result_and_some_planes():
    shape = (48, 64, 64)
    volume, grid = np.zeros(shape, np.float32), Grid(shape, np.eye(4))
    labels = np.zeros(shape, np.uint8)
    labels[8:40, 8:56, 8:56] = 1
    at = grid_at(grid, (0.8, 0.8, 0.8))
    plane = 4 * at.shape[1] * at.shape[2]
    tracemalloc.start()
    try:
        result = resampled(volume, grid, at)
        assert tracemalloc.get_traced_memory()[1] < result.nbytes + 8 * plane
        del result
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        brought = labels_on(labels, grid, at)
        assert tracemalloc.get_traced_memory()[1] - before < brought.nbytes + labels.nbytes + 4 * 10 * plane
    finally:
        tracemalloc.stop()
