"""Labeling: voxel by voxel and as a whole give SciPy's components, in scan order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pnetkit_rules import labeling
from pnetkit_rules.labeling import label_voxels, split_components
from scipy import ndimage


@pytest.mark.parametrize("sparse", [0.0, 1.1], ids=["as a whole", "voxel by voxel"])
@given(
    mask=hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7)),
    connectivity=st.sampled_from([6, 18, 26]),
)
def test_it_numbers_the_components_as_scipy_does(mask, connectivity, sparse):
    expected, count = ndimage.label(mask, ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labeling, "SPARSE", sparse)
        voxels = label_voxels(mask, connectivity)
    assert voxels.count == count
    assert np.array_equal(np.stack(voxels.places), np.stack(np.nonzero(mask)))
    assert np.array_equal(voxels.numbers + 1, expected[mask])


def test_voxels_at_opposite_borders_are_no_neighbors():
    mask = np.zeros((3, 40, 40), bool)
    mask[0, 39, 39] = mask[1, 0, 0] = mask[1, 5, 39] = mask[1, 6, 0] = True
    assert label_voxels(mask, 26).count == 4


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7)), st.integers(1, 4))
def test_components_come_one_by_one_each_in_its_own_box(mask, least):
    expected, count = ndimage.label(mask)
    boxes = ndimage.find_objects(expected)
    large = [number for number in range(1, count + 1) if (expected == number).sum() >= least]
    found = [component.boxed() for component in split_components(label_voxels(mask, 6), least=least)]
    assert [box for _, box in found] == [boxes[number - 1] for number in large]
    for (own, box), number in zip(found, large, strict=True):
        assert np.array_equal(own, expected[box] == number)
