"""Lesions near the organ against a brute-force distance, and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pnetkit_rules.near_organ import NearOrgan
from scipy import ndimage
from scipy.spatial.distance import cdist

from pnetkit.types import Grid, Segmentation


def cleaned(labels, spacing=(1.0, 1.0, 1.0), **params):
    labels = np.asarray(labels, np.uint8)
    return NearOrgan(**params)(Segmentation(labels, Grid(labels.shape, np.diag([*spacing, 1.0])))).labels


def a_row(length, **spans):
    """A row of voxels (length, 1, 1) with pancreas, tumor and duct at the given places."""
    labels = np.zeros((length, 1, 1), np.uint8)
    for name, places in spans.items():
        labels[places] = {"pancreas": 1, "tumor": 2, "duct": 3}[name]
    return labels


def brute_force(labels, gap, spacing, rank):
    organ = np.argwhere(labels == 1) * np.array(spacing)
    result = labels.copy()
    for value in (2, 3):
        components, count = ndimage.label(labels == value, ndimage.generate_binary_structure(3, rank))
        for number in range(1, count + 1):
            own = components == number
            if len(organ) and cdist(np.argwhere(own) * np.array(spacing), organ).min() > gap:
                result[own] = 0
    return result


@given(
    hnp.arrays(
        np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=8), elements=st.sampled_from([0] * 6 + [1, 2, 3])
    ),
    st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0, 40.0]),
    st.sampled_from([(1.0, 1.0, 1.0), (0.7, 0.7, 5.0)]),
    st.sampled_from([6, 18, 26]),
)
def test_it_removes_what_a_brute_force_search_removes(labels, gap, spacing, connectivity):
    expected = brute_force(labels, gap, spacing, {6: 1, 18: 2, 26: 3}[connectivity])
    assert np.array_equal(cleaned(labels, spacing, gap_mm=gap, connectivity=connectivity), expected)


@pytest.mark.parametrize(("spacing", "stays"), [(0.9, True), (1.0, True), (1.1, False)])
@pytest.mark.parametrize("lesion", ["tumor", "duct"])
def test_a_lesion_at_the_gap_stays_and_one_beyond_it_goes(lesion, spacing, stays):
    labels = a_row(20, pancreas=slice(0, 3), **{lesion: slice(12, 14)})  # ten steps from voxel 2 to voxel 12
    assert cleaned(labels, (spacing, 1.0, 1.0), gap_mm=10.0)[12:14].all() == stays


def test_a_large_lesion_is_kept_whole_if_one_voxel_of_it_is_near():
    labels = a_row(60, pancreas=slice(0, 3), tumor=slice(8, 60))
    assert np.array_equal(cleaned(labels), labels)


def test_a_lesion_that_hangs_on_another_lesion_is_measured_to_the_pancreas():
    labels = a_row(30, pancreas=slice(0, 3), tumor=slice(3, 20), duct=slice(20, 25))
    found = cleaned(labels)
    assert (found[3:20] == 2).all()
    assert not found[20:].any()


def test_without_a_pancreas_lesions_stay_or_go_as_asked():
    labels = a_row(9, tumor=slice(0, 2), duct=slice(6, 8))
    assert np.array_equal(cleaned(labels), labels)
    assert not cleaned(labels, without_pancreas="remove").any()


def test_pancreas_far_from_the_rest_of_the_pancreas_is_left_alone():
    labels = a_row(60, pancreas=[0, 1, 50], tumor=[55])
    assert np.array_equal(cleaned(labels), labels)
