"""The component rule against a brute-force distance, and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pnetkit_rules.components import Components, keep_components
from scipy import ndimage
from scipy.spatial.distance import cdist

from pnetkit.types import Grid, Segmentation


def segmentation(labels, spacing=(1.0, 1.0, 1.0)):
    labels = np.asarray(labels, np.uint8)
    return Segmentation(labels, Grid(labels.shape, np.diag([*spacing, 1.0])))


def blocks(*spans, length=80):
    """A row of voxels (length, 1, 1) with a labeled span for each (start, stop, label)."""
    labels = np.zeros((length, 1, 1), np.uint8)
    for start, stop, label in spans:
        labels[start:stop] = label
    return labels


def kept_spans(labels, **params):
    return np.flatnonzero(Components(**params)(segmentation(labels)).labels).tolist()


def brute_force(foreground, fraction, gap, spacing, rank):
    components, count = ndimage.label(foreground, ndimage.generate_binary_structure(3, rank))
    voxels = [np.argwhere(components == i + 1) * np.array(spacing) for i in range(count)]
    kept = np.zeros(foreground.shape, bool)
    if not count:
        return kept
    largest = int(np.argmax([len(v) for v in voxels]))
    for i, own in enumerate(voxels):
        close = gap is not None and cdist(own, voxels[largest]).min() < gap
        large = fraction is not None and len(own) > fraction * len(voxels[largest])
        if i == largest or close or large:
            kept |= components == i + 1
    return kept


@given(
    hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=8), elements=st.booleans(), fill=st.just(False)),
    st.sampled_from([None, 0.0, 0.2, 0.5, 1.0]),
    st.sampled_from([None, 1.5, 2.0, 3.0, 27.0]),
    st.sampled_from([(1.0, 1.0, 1.0), (0.7, 0.7, 5.0)]),
    st.sampled_from([6, 18, 26]),
)
def test_it_keeps_what_a_brute_force_search_keeps(foreground, fraction, gap, spacing, connectivity):
    expected = brute_force(foreground, fraction, gap, spacing, {6: 1, 18: 2, 26: 3}[connectivity])
    got = keep_components(foreground, minimum_fraction=fraction, gap=gap, spacing=spacing, connectivity=connectivity)
    assert np.array_equal(got, expected)


def test_far_and_small_goes_far_and_large_stays_near_and_small_stays():
    labels = blocks((0, 10, 1), (20, 22, 2), (50, 52, 2), (60, 63, 3))
    # 2 of 10 voxels are not more than 20 %, 3 are; the gap from voxel 9 to voxel 20 is 11
    assert kept_spans(labels) == [*range(10), 20, 21, 60, 61, 62]


@pytest.mark.parametrize(("start", "stays"), [(9 + 26, True), (9 + 27, False)])
def test_the_gap_has_to_be_smaller_than_27_voxels(start, stays):
    assert (start in kept_spans(blocks((0, 10, 1), (start, start + 1, 2)))) is stays


@pytest.mark.parametrize(("spacing", "stays"), [(1.0, True), (2.0, False)])
def test_a_gap_in_mm_counts_the_spacing(spacing, stays):
    found = Components(gap_mm=27.0)(segmentation(blocks((0, 10, 1), (30, 31, 2)), (spacing, 1, 1)))
    assert bool(found.labels[30]) is stays


def test_a_far_tumor_is_removed_from_the_union_and_kept_per_class():
    labels = blocks((0, 20, 1), (70, 72, 2))
    assert 70 not in kept_spans(labels)
    assert 70 in kept_spans(labels, scope="per-class")


def test_per_class_each_label_loses_its_own_small_and_far_components_and_no_other():
    labels = blocks((0, 20, 1), (25, 35, 2), (50, 51, 1), (66, 67, 2), (70, 75, 3))
    # pancreas: 1 of 20 voxels, 31 away from it; tumor: 1 of 10, 32 away; the duct is alone, so the largest of its own
    assert kept_spans(labels, scope="per-class") == [*range(20), *range(25, 35), *range(70, 75)]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(("start", "stays"), [(9 + 26, True), (9 + 27, False)])
def test_a_gap_in_voxels_counts_the_same_along_every_axis_whatever_the_spacing(axis, start, stays):
    row = np.moveaxis(blocks((0, 10, 1), (start, start + 1, 2)), 0, axis)
    found = Components()(segmentation(row, (0.7, 0.8, 5.0)))
    assert bool(np.moveaxis(found.labels, axis, 0)[start]) is stays


def test_both_criteria_can_be_switched_off():
    labels = blocks((0, 10, 1), (12, 20, 2))
    assert kept_spans(labels, minimum_fraction=None, gap_voxels=None) == list(range(10))


@pytest.mark.parametrize("value", [0, 1, 2, 3])
@pytest.mark.parametrize("shape", [(4, 4, 4), (5, 5, 1)])
def test_empty_full_and_one_slice_segmentations_are_left_as_they_are(value, shape):
    given_labels = segmentation(np.full(shape, value))
    found = Components()(given_labels)
    assert np.array_equal(found.labels, given_labels.labels)
    assert found.grid is given_labels.grid


def test_the_argument_stays_untouched_and_votes_are_passed_on():
    labels = blocks((0, 10, 1), (60, 61, 2))
    votes = np.ones(labels.shape, np.uint8)
    before = Segmentation(labels.copy(), Grid(labels.shape, np.eye(4)), votes=votes, voters=votes)
    found = Components()(before)
    assert np.array_equal(before.labels, labels)
    assert not np.array_equal(found.labels, labels)
    assert found.votes is votes
    assert found.voters is votes


def test_more_components_than_two_bytes_can_number_are_all_told_apart():
    mask = np.zeros((90, 90, 90), bool)
    mask[::2, ::2, ::2] = True  # 91,125 single voxels
    mask[80:, 80:, 80:] = True
    kept = keep_components(mask, minimum_fraction=0.5, gap=3.0, connectivity=26)
    assert kept[80:, 80:, 80:].all()
    assert kept[78, 78, 84]
    assert not kept[:70].any()
    assert not kept[0, 0, 0]
