"""Holes against SciPy on the whole volume, and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pnetkit_rules.fill_holes import FillHoles, fill_holes
from scipy import ndimage

from pnetkit.types import Grid, Segmentation

VALUES = {"pancreas-set": 1, "pancreas": 1, "tumor": 2, "duct": 3}


def a_shell(value=1, inside=0):
    """A cube (5, 5, 5) with one voxel at its center."""
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[2:7, 2:7, 2:7] = value
    labels[4, 4, 4] = inside
    return labels


def whole_volume(labels, of, within):
    mask = labels > 0 if of == "pancreas-set" else labels == VALUES[of]
    if within == "volume":
        filled = ndimage.binary_fill_holes(mask)
    else:
        filled = np.stack([ndimage.binary_fill_holes(mask[:, :, z]) for z in range(mask.shape[2])], axis=2)
    expected = labels.copy()
    expected[filled & ~mask & (labels <= 1)] = VALUES[of]
    return expected


@given(
    # Mostly foreground: holes are rare where much is empty.
    hnp.arrays(
        np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=8), elements=st.sampled_from([0, 1, 1, 2, 3])
    ),
    st.sampled_from(list(VALUES)),
    st.sampled_from(["volume", "axial-slice"]),
)
def test_each_component_in_its_box_gives_what_scipy_gives_on_the_whole(labels, of, within):
    assert np.array_equal(fill_holes(labels, of, within), whole_volume(labels, of, within))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("within", ["volume", "axial-slice"])
def test_nested_and_scattered_shells_are_filled_as_scipy_fills_them(seed, within):
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.standard_normal((40, 36, 30)), 1.5)
    labels = (np.abs(field) < 0.5 * field.std()).astype(np.uint8)
    expected = whole_volume(labels, "pancreas-set", within)
    assert (expected != labels).sum() > 20
    assert np.array_equal(fill_holes(labels, "pancreas-set", within), expected)


def test_a_hole_in_the_pancreas_set_becomes_pancreas_whatever_is_around_it():
    labels = a_shell(value=2)
    labels[5:7] = np.where(labels[5:7] > 0, 3, 0)
    assert fill_holes(labels, "pancreas-set", "volume")[4, 4, 4] == 1


def test_a_hole_that_touches_the_border_is_left_open():
    labels = a_shell()[2:7, 2:7, 4:7]
    assert labels[2, 2, 0] == 0
    assert np.array_equal(fill_holes(labels, "pancreas-set", "volume"), labels)


def test_a_diagonal_gap_is_no_way_out_and_a_gap_by_a_face_is():
    diagonal, open_by_a_face = a_shell(), a_shell()
    diagonal[5, 5, 4] = diagonal[6, 6, 4] = 0
    open_by_a_face[4, 4, 5:7] = 0
    assert fill_holes(diagonal, "pancreas-set", "volume")[4, 4, 4] == 1
    assert np.array_equal(fill_holes(open_by_a_face, "pancreas-set", "volume"), open_by_a_face)


def test_the_inside_of_a_tube_is_a_hole_of_axial_slices_only():
    labels = np.zeros((7, 7, 5), np.uint8)
    labels[1:6, 1:6] = 1
    labels[3, 3] = 0
    assert np.array_equal(fill_holes(labels, "pancreas-set", "volume"), labels)
    assert (fill_holes(labels, "pancreas-set", "axial-slice")[3, 3] == 1).all()
    along_x = labels.transpose(2, 0, 1)
    assert np.array_equal(fill_holes(along_x, "pancreas-set", "axial-slice"), along_x)


@pytest.mark.parametrize(("inside", "becomes"), [(0, 2), (1, 2), (3, 3)])
def test_a_tumor_takes_in_background_and_pancreas_but_no_duct(inside, becomes):
    assert fill_holes(a_shell(2, inside), "tumor", "volume")[4, 4, 4] == becomes


def test_a_tumor_within_pancreas_is_never_filled_over():
    labels = a_shell(1, 2)
    assert np.array_equal(fill_holes(labels, "pancreas", "volume"), labels)


def test_filling_twice_fills_no_more_and_the_argument_stays_untouched():
    labels = a_shell()
    before = Segmentation(labels.copy(), Grid(labels.shape, np.eye(4)), votes=labels, voters=labels)
    once = FillHoles()(before)
    assert np.array_equal(before.labels, labels)
    assert np.array_equal(FillHoles()(once).labels, once.labels)
    assert once.grid is before.grid
    assert once.votes is labels
    assert once.voters is labels
