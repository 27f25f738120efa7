"""The largest component against SciPy, and ties by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pnetkit_rules.keep_largest import KeepLargest
from scipy import ndimage

from pnetkit.errors import BrokenPluginError
from pnetkit.parameters import construct
from pnetkit.types import Grid, Segmentation

REGIONS = ["pancreas-set", "pancreas", "tumor", "duct"]


def cleaned(labels, *of, **params):
    labels = np.asarray(labels, np.uint8)
    given_labels = Segmentation(labels, Grid(labels.shape, np.eye(4)))
    return KeepLargest(of=of, **params)(given_labels).labels if of else KeepLargest(**params)(given_labels).labels


def row(*values):
    return np.array(values, np.uint8).reshape(-1, 1, 1)


def brute_force(labels, of, rank):
    result = labels.copy()
    for region in of:
        mask = result > 0 if region == "pancreas-set" else result == REGIONS.index(region)
        components, count = ndimage.label(mask, ndimage.generate_binary_structure(3, rank))
        if count:
            sizes = ndimage.sum_labels(mask, components, range(1, count + 1))
            result[mask & (components != 1 + int(np.argmax(sizes)))] = 0
    return result


@given(
    hnp.arrays(
        np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7), elements=st.sampled_from([0, 0, 0, 1, 2, 3])
    ),
    st.lists(st.sampled_from(REGIONS), min_size=1, max_size=4, unique=True),
    st.sampled_from([6, 18, 26]),
)
def test_it_keeps_what_scipy_finds_largest(labels, of, connectivity):
    expected = brute_force(labels, of, {6: 1, 18: 2, 26: 3}[connectivity])
    assert np.array_equal(cleaned(labels, *of, connectivity=connectivity), expected)


def test_the_set_is_kept_as_a_whole_with_its_lesions():
    labels = row(2, 0, 1, 2, 3, 0, 1, 1)
    assert cleaned(labels).ravel().tolist() == [0, 0, 1, 2, 3, 0, 0, 0]


def test_only_named_labels_lose_components():
    labels = row(2, 0, 1, 2, 2, 0, 1, 1)
    assert cleaned(labels, "tumor").ravel().tolist() == [0, 0, 1, 2, 2, 0, 1, 1]
    assert cleaned(labels, "tumor", "pancreas").ravel().tolist() == [0, 0, 0, 2, 2, 0, 1, 1]


def test_regions_are_taken_in_the_order_in_which_they_are_named():
    labels = row(1, 1, 0, 1, 2, 0, 2, 2, 2)
    assert cleaned(labels, "tumor", "pancreas-set").ravel().tolist() == [0, 0, 0, 0, 0, 0, 2, 2, 2]
    assert cleaned(labels, "pancreas", "pancreas-set").ravel().tolist() == [0, 0, 0, 0, 0, 0, 2, 2, 2]
    labels = row(2, 2, 0, 1, 1, 2)
    assert cleaned(labels, "tumor", "pancreas-set").ravel().tolist() == [2, 2, 0, 0, 0, 0]
    assert cleaned(labels, "pancreas-set", "tumor").ravel().tolist() == [0, 0, 0, 1, 1, 2]


def test_of_two_equally_large_the_one_with_the_lowest_index_stays():
    labels = np.zeros((5, 5, 5), np.uint8)
    labels[0, 4, 4] = labels[4, 0, 0] = 2
    assert np.argwhere(cleaned(labels)).tolist() == [[0, 4, 4]]
    labels = np.zeros((3, 5, 5), np.uint8)
    labels[1, 0, 3:5] = labels[1, 4, 0:2] = 2
    assert np.argwhere(cleaned(labels, "tumor")).tolist() == [[1, 0, 3], [1, 0, 4]]


def test_no_region_at_all_is_refused():
    with pytest.raises(BrokenPluginError, match="at least 1 item"):
        construct("postprocessor", "keep-largest", KeepLargest, {"of": []})
