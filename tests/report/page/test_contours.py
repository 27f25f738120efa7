"""Tests of pnetkit.report.page.contours."""

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pnetkit.report.page.contours import loops, outline


def mask(*rows):
    return np.array([[letter == "#" for letter in row] for row in rows])


def test_a_square_of_two_by_two_voxels_has_the_outline_of_its_four_edges():
    assert outline(mask("....", ".##.", ".##.", "....")) == "M1 1h2v2h-2z"


def test_nothing_has_no_outline():
    assert outline(mask("...", "...")) == ""


def test_a_hole_is_a_loop_of_its_own_the_other_way_round():
    assert outline(mask("###", "#.#", "###")) == "M0 0h3v3h-3zM1 1v1h1v-1z"


def test_voxels_that_touch_at_a_corner_have_loops_of_their_own():
    assert outline(mask("#.", ".#")) == "M0 0h1v1h-1zM1 1h1v1h-1z"
    assert outline(mask(".#", "#.")) == "M1 0h1v1h-1zM0 1h1v1h-1z"


@settings(max_examples=60)
@given(arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))))
def test_the_loops_enclose_exactly_the_voxels_of_the_mask(drawn):
    """Their area, with holes negative, is the number of voxels; their length that of all borders."""
    area = length = 0
    for corners in loops(drawn):
        for (x, y), (u, v) in zip(corners, [*corners[1:], corners[0]], strict=True):
            area += (x * v - u * y) / 2
            length += abs(u - x) + abs(v - y)
    framed = np.pad(drawn, 1).astype(int)
    borders = np.abs(np.diff(framed, axis=0)).sum() + np.abs(np.diff(framed, axis=1)).sum()
    assert (area, length) == (drawn.sum(), borders)


def test_a_path_is_made_of_whole_voxels_alone():
    assert re.fullmatch(r"(M\d+ \d+([hv]-?\d+)+z)+", outline(np.random.default_rng(0).random((9, 9)) < 0.5))
