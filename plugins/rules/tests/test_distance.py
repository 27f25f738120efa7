"""Distances between components, against all pairs of voxels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pnetkit_rules.distance import component_distances
from pnetkit_rules.labeling import label_voxels
from scipy.spatial.distance import cdist

LABELS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=9),
    elements=st.sampled_from([0] * 6 + [1, 2]),
)
REACHES = st.sampled_from([1.0, 2.5, 4.0, 100.0])
SPACINGS = st.sampled_from([(1.0, 1.0, 1.0), (0.7, 0.9, 5.0)])


@given(LABELS, REACHES, SPACINGS)
def test_distances_within_reach_are_those_of_all_pairs_and_infinite_beyond(labels, reach, spacing):
    labels[0, 0, 0] = 1
    require_those_of_all_pairs(labels, reach, spacing)


@given(LABELS, REACHES, SPACINGS, st.tuples(*[st.floats(0, 0.999)] * 3))
def test_they_are_so_around_a_single_voxel_that_others_lie_beside_on_every_side(labels, reach, spacing, place):
    labels[labels == 1] = 2
    labels[tuple(int(share * edge) for share, edge in zip(place, labels.shape, strict=True))] = 1
    require_those_of_all_pairs(labels, reach, spacing)


def require_those_of_all_pairs(labels, reach, spacing):
    own, others = label_voxels(labels == 1, 26), label_voxels(labels == 2, 26)
    found = component_distances(own, others, reach=reach, spacing=spacing)
    assert found.shape == (others.count,)
    for number, distance in enumerate(found):
        places = np.stack(others.take(others.numbers == number).places, axis=1)
        expected = cdist(places * np.array(spacing), np.argwhere(labels == 1) * np.array(spacing)).min()
        # at the reach itself both are right: the caller compares
        assert np.isclose(distance, expected, rtol=1e-6) if expected <= reach else distance > reach


@pytest.mark.parametrize("spacing", [(0.7, 0.9, 1.1), (1.1, 0.7, 0.9)])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [-1, 1])
def test_what_lies_along_one_axis_is_found_up_to_the_reach_on_both_sides(axis, side, spacing):
    last = int(4.0 / spacing[axis])  # steps that stay within the reach
    for steps, within in ((last, True), (last + 1, False)):
        labels = np.zeros((15, 15, 15), np.uint8)
        at = [7, 7, 7]
        labels[tuple(at)] = 1
        at[axis] += side * steps
        labels[tuple(at)] = 2
        (found,) = component_distances(
            label_voxels(labels == 1, 26), label_voxels(labels == 2, 26), reach=4.0, spacing=spacing
        )
        assert found == pytest.approx(steps * spacing[axis] if within else np.inf)
