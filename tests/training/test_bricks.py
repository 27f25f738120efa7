"""Bricks: any box of a volume is what it was, bit for bit, and what is alike takes little."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pnetkit.imaging.boxes import Box, cut
from pnetkit.training.bricks import EDGE, cut_bricks, in_bricks

SHAPES = st.tuples(*[st.integers(1, 20)] * 3)
VOLUMES = st.one_of(
    arrays.arrays(np.int16, SHAPES, elements=st.integers(-(2**15), 2**15 - 1)),
    arrays.arrays(np.int16, SHAPES, elements=st.integers(-101, 154)),
    arrays.arrays(np.uint8, SHAPES, elements=st.integers(0, 3)),
    arrays.arrays(np.float32, SHAPES, elements=st.floats(-1e5, 1e5, width=32)),
    arrays.arrays(np.float32, SHAPES, elements=st.sampled_from([0.0, -0.0, 2.0, 255.0, 16777216.0])),
)


@settings(max_examples=80, deadline=None)
@given(VOLUMES, st.tuples(*[st.integers(-9, 22)] * 3), st.tuples(*[st.integers(1, 12)] * 3))
def test_a_box_cut_out_of_bricks_is_that_of_the_volume_to_the_bit(volume, start, edges):
    box = Box(start, tuple(a + n for a, n in zip(start, edges, strict=True)))
    wanted, got = cut(volume, box, fill=-100 if volume.dtype != np.uint8 else 0), None
    got = cut_bricks(in_bricks(volume), box, fill=-100 if volume.dtype != np.uint8 else 0)
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
    assert got.tobytes() == wanted.tobytes()


def test_a_brick_of_one_value_takes_nothing_and_one_within_255_bytes():
    volume = np.full((24, 8, 8), -100, np.int16)
    volume[8:16, 0, 0] = 155  # 255 above the least of its brick
    volume[16:, 0, 0] = 156
    bricks = in_bricks(volume)
    assert bricks.place.ravel().tolist() == [0, 1, -1]
    assert bricks.narrow.shape == bricks.wide.shape == (1, EDGE**3)
    assert bricks.base.ravel().tolist() == [-100] * 3


@pytest.mark.parametrize("least", [-(2**15), 2**15 - 1 - 255])
def test_differences_at_the_ends_of_what_a_number_can_hold_do_not_wrap(least):
    volume = np.full((8, 8, 8), least, np.int16)
    volume[3, 4, 5] = least + 255
    bricks = in_bricks(volume)
    assert len(bricks.narrow) == 1
    whole = Box((0, 0, 0), (8, 8, 8))
    assert np.array_equal(cut_bricks(bricks, whole, fill=0), volume)
    volume[0, 0, 0] = -(2**15) if least > 0 else 2**15 - 1
    assert np.array_equal(cut_bricks(in_bricks(volume), whole, fill=0), volume)
