"""Boxes: around masks, snapped to lattices, cut with padding."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pnetkit.imaging.boxes import Box, bounding_box, clamp, cut, grow, snap

triples = st.tuples(*[st.integers(-9, 9)] * 3)
lengths = st.tuples(*[st.integers(1, 9)] * 3)


@given(st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=6))
def test_the_bounding_box_is_tight(voxels):
    mask = np.zeros((6, 6, 6), bool)
    mask[tuple(np.array(voxels).T)] = True
    box = bounding_box(mask)
    assert box == Box(tuple(np.min(voxels, axis=0).tolist()), tuple((np.max(voxels, axis=0) + 1).tolist()))


def test_nothing_has_no_box():
    assert bounding_box(np.zeros((3, 3, 3), bool)) is None


@given(triples, lengths, st.tuples(*[st.sampled_from([1, 2, 8])] * 3))
def test_a_snapped_box_holds_the_box_and_lies_on_the_lattice(start, shape, step):
    box = Box(start, tuple(a + n for a, n in zip(start, shape, strict=True)))
    snapped = snap(box, step)
    for axis in range(3):
        assert snapped.start[axis] <= box.start[axis] < snapped.start[axis] + step[axis]
        assert snapped.stop[axis] - step[axis] < box.stop[axis] <= snapped.stop[axis]
        assert snapped.start[axis] % step[axis] == snapped.stop[axis] % step[axis] == 0


@given(triples, lengths)
def test_a_cut_holds_the_volume_inside_and_the_filling_outside(start, shape):
    volume = np.arange(5 * 6 * 7).reshape(5, 6, 7)
    box = Box(start, tuple(a + n for a, n in zip(start, shape, strict=True)))
    padded = np.pad(volume, 20, constant_values=-1)
    expected = padded[tuple(slice(a + 20, b + 20) for a, b in zip(box.start, box.stop, strict=True))]
    assert np.array_equal(cut(volume, box, fill=-1), expected)


def test_grow_and_clamp_undo_each_other_at_the_border():
    box = Box((0, 0, 0), (4, 5, 6))
    assert clamp(grow(box, 3), (4, 5, 6)) == box
    assert grow(box, (1, 2, 3)) == Box((-1, -2, -3), (5, 7, 9))
