"""Distances between components, against all pairs of voxels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pnetkit_rules.distance import component_distances
from pnetkit_rules.labeling import label_voxels
from scipy.spatial.distance import cdist


@given(
    hnp.arrays(
        np.uint8,
        hnp.array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=9),
        elements=st.sampled_from([0] * 6 + [1, 2]),
    ),
    st.sampled_from([1.0, 2.5, 4.0, 100.0]),
    st.sampled_from([(1.0, 1.0, 1.0), (0.7, 0.9, 5.0)]),
)
def test_distances_within_reach_are_those_of_all_pairs_and_infinite_beyond(labels, reach, spacing):
    labels[0, 0, 0] = 1
    own, others = label_voxels(labels == 1, 26), label_voxels(labels == 2, 26)
    found = component_distances(own, others, reach=reach, spacing=spacing)
    assert found.shape == (others.count,)
    for number, distance in enumerate(found):
        places = np.stack(others.take(others.numbers == number).places, axis=1)
        expected = cdist(places * np.array(spacing), np.argwhere(labels == 1) * np.array(spacing)).min()
        # at the reach itself both are right: the caller compares
        assert np.isclose(distance, expected, rtol=1e-6) if expected <= reach else distance > reach
