"""Windows: where they lie."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pnetkit.inference.sliding import chessboard, holding, windows_over
from pnetkit.inference.windows import most_votes, padding, window_grid, window_starts


def test_the_last_window_is_flush_with_the_border():
    assert window_starts(10, 5, 3) == (0, 3, 5)
    assert window_starts(11, 5, 3) == (0, 3, 6)
    assert window_starts(5, 5, 3) == (0,)


@given(st.integers(1, 90), st.integers(1, 30), st.integers(1, 30))
def test_windows_cover_every_voxel_and_stay_inside(length, window, stride):
    if window > length or stride > window:
        with pytest.raises(ValueError, match="window"):
            window_starts(length, window, stride)
        return
    starts = window_starts(length, window, stride)
    assert sorted(set(starts)) == list(starts)
    covered = {voxel for start in starts for voxel in range(start, start + window)}
    assert covered == set(range(length))


def test_the_papers_grid_has_24_by_24_by_14_windows():
    assert len(window_grid((512, 512, 320), (64, 64, 64), (20, 20, 20))) == 24 * 24 * 14 == 8064


@given(st.integers(4, 40), st.integers(2, 12), st.integers(1, 12))
def test_most_votes_is_what_counting_gives(length, window, stride):
    if window > length or stride > window:
        return
    starts = window_starts(length, window, stride)
    most = max(sum(s <= v < s + window for s in starts) for v in range(length))
    assert most_votes((length, window, window), (window,) * 3, (stride,) * 3) == most


def test_a_small_volume_is_padded_on_both_sides():
    assert padding((11, 64, 5), (64, 64, 8)) == ((26, 27), (0, 0), (1, 2))


@given(shape=st.tuples(*[st.integers(4, 19)] * 3), stride=st.tuples(*[st.integers(1, 4)] * 3))
def test_a_chessboard_deals_every_window_once_and_neighbors_to_different_colors(shape, stride):
    black, white = (
        {tuple(s.start for s in place) for place in color} for color in chessboard(shape, (4, 4, 4), stride)
    )
    assert black | white == set(window_grid(shape, (4, 4, 4), stride))
    assert not black & white
    axes = [window_starts(n, 4, s) for n, s in zip(shape, stride, strict=True)]
    for axis, starts in enumerate(axes):
        following = dict(itertools.pairwise(starts))
        for place in black:
            if place[axis] in following:
                assert (*place[:axis], following[place[axis]], *place[axis + 1 :]) in white


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2, 3]), st.floats(0, 0.02))
def test_windows_that_hold_something_are_those_in_which_one_looks_and_finds_it(seed, inset, density):
    shape, window = (21, 17, 14), (8, 6, 7)
    where = np.random.default_rng(seed).random(shape) < density
    grid = windows_over(shape, window, (3, 4, 2))

    def inner(side, length):
        return slice(side.start + (inset if side.start else 0), side.stop - (inset if side.stop < length else 0))

    expected = [place for place in grid if where[tuple(map(inner, place, shape))].any()]
    assert holding(grid, shape, where, inset) == expected
    some = grid[::3]
    assert holding(some, shape, where, inset) == [place for place in some if place in expected]
    assert holding(grid, shape, None) == grid
    assert holding([], shape, where) == []
