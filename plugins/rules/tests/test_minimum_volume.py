"""Least volumes against SciPy's components, and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pnetkit_rules.minimum_volume import MinimumVolume
from scipy import ndimage

from pnetkit.types import Grid, Segmentation

LABELS = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7), elements=st.sampled_from([0, 0, 0, 1, 2, 3])
)
LIMITS = st.sampled_from([None, 1.0, 2.0, 3.0, 8.0])


def cleaned(labels, spacing=(1.0, 1.0, 1.0), **params):
    labels = np.asarray(labels, np.uint8)
    return MinimumVolume(**params)(Segmentation(labels, Grid(labels.shape, np.diag([*spacing, 1.0])))).labels


def row(*values):
    return np.array(values, np.uint8).reshape(-1, 1, 1)


def brute_force(labels, limits, become, rank):
    """Look at every component with SciPy, the lesions first."""
    result = labels.copy()
    for value in (2, 3, 1):
        source = labels if value > 1 else result.copy()
        components, count = ndimage.label(source == value, ndimage.generate_binary_structure(3, rank))
        for number in range(1, count + 1):
            own = components == number
            if limits[value] is None or own.sum() >= limits[value]:
                continue
            around = ndimage.binary_dilation(own, np.ones((3, 3, 3)))
            touches = (labels[around] == 1).any()
            lesion = {"by-contact": int(touches), "pancreas": 1, "background": 0}[become]
            result[own] = lesion if value > 1 else 0
    return result


@given(
    LABELS, LIMITS, LIMITS, LIMITS,
    st.sampled_from(["by-contact", "pancreas", "background"]),
    st.sampled_from([6, 18, 26]),
)  # fmt: skip
def test_it_removes_what_a_brute_force_search_removes(labels, pancreas, tumor, duct, become, connectivity):
    expected = brute_force(labels, {1: pancreas, 2: tumor, 3: duct}, become, {6: 1, 18: 2, 26: 3}[connectivity])
    params = {"tumor_mm3": tumor, "duct_mm3": duct, "pancreas_mm3": pancreas}
    assert np.array_equal(cleaned(labels, **params, lesions_become=become, connectivity=connectivity), expected)


@given(LABELS, LIMITS, LIMITS, st.sampled_from(["by-contact", "background"]))
def test_cleaning_twice_removes_no_more_lesions(labels, tumor, duct, become):
    params = {"tumor_mm3": tumor, "duct_mm3": duct, "lesions_become": become}
    once = cleaned(labels, **params)
    assert np.array_equal(cleaned(once, **params), once)


@pytest.mark.parametrize(("label", "limit"), [(1, "pancreas_mm3"), (2, "tumor_mm3"), (3, "duct_mm3")])
@pytest.mark.parametrize(("edge", "stays"), [(0.69, False), (0.7, True), (0.71, True)])
def test_the_limit_is_in_mm3_and_a_component_as_large_as_it_stays(edge, stays, label, limit):
    labels = row(label, label, label, 0, 0)
    found = cleaned(labels, (edge, edge, 1.1), **{limit: 3 * 0.7 * 0.7 * 1.1})
    assert found.any() == stays


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("labels", [(1, 2, 0, 0), (0, 0, 2, 1)])
def test_pancreas_on_the_outermost_voxels_is_touched_too(labels, axis):
    found = cleaned(np.moveaxis(row(*labels), 0, axis), tumor_mm3=5.0)
    assert found.ravel().tolist() == [1 if value == 2 else value for value in labels]


def test_a_limit_of_null_keeps_its_label():
    labels = row(1, 0, 2, 0, 3)
    assert cleaned(labels, tumor_mm3=None, duct_mm3=None).ravel().tolist() == [1, 0, 2, 0, 3]
    assert cleaned(labels, tumor_mm3=None, duct_mm3=2.0).ravel().tolist() == [1, 0, 2, 0, 0]
    assert cleaned(labels, tumor_mm3=None, duct_mm3=None, pancreas_mm3=2.0).ravel().tolist() == [0, 0, 2, 0, 3]


def test_a_speck_of_tumor_becomes_pancreas_inside_the_organ_and_background_elsewhere():
    labels = row(1, 1, 2, 1, 0, 0, 2, 0)
    limit = {"tumor_mm3": 5.0}
    assert cleaned(labels, **limit).ravel().tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert cleaned(labels, **limit, lesions_become="pancreas").ravel().tolist() == [1, 1, 1, 1, 0, 0, 1, 0]
    assert cleaned(labels, **limit, lesions_become="background").ravel().tolist() == [1, 1, 0, 1, 0, 0, 0, 0]


def test_pancreas_is_measured_with_what_was_won_back_from_lesions():
    labels = row(1, 1, 2, 1, 0)
    params = {"tumor_mm3": 5.0, "pancreas_mm3": 4.0}
    assert cleaned(labels, **params).ravel().tolist() == [1, 1, 1, 1, 0]
    assert cleaned(labels, **params, lesions_become="background").ravel().tolist() == [0, 0, 0, 0, 0]
