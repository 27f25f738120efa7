"""Laying volumes out in memory."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pnetkit.imaging import memory_order
from pnetkit.imaging.memory_order import x_fastest, z_fastest


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    """Copy in blocks of which small volumes hold several, the last ones cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory_order, "BLOCK", 4)
        yield


@given(
    hnp.arrays(np.int16, st.tuples(*[st.integers(1, 10)] * 3)),
    st.permutations([0, 1, 2]),
    st.tuples(*[st.sampled_from([1, -1])] * 3),
)
def test_values_are_those_of_numpys_copy_however_the_volume_lies(
    stored: np.ndarray[Any, Any], axes: list[int], steps: tuple[int, int, int]
) -> None:
    volume = stored.transpose(axes)[tuple(slice(None, None, step) for step in steps)]
    result = z_fastest(volume, np.float32)
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, np.ascontiguousarray(volume, dtype=np.float32))


@pytest.mark.parametrize("order", ["C", "F"])
def test_only_a_volume_that_lies_so_already_is_given_back_itself(order: Any) -> None:
    volume = np.zeros((4, 5, 6), np.float32, order=order)
    assert (z_fastest(volume, np.float32) is volume) == (order == "C")


@given(hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 10)] * 3)))
def test_a_volume_goes_into_nifti_s_order_and_back(stored: np.ndarray[Any, Any]) -> None:
    turned = x_fastest(stored)
    assert turned.flags.f_contiguous
    np.testing.assert_array_equal(turned, stored)
    assert x_fastest(turned).base is turned.base
    np.testing.assert_array_equal(z_fastest(turned, np.uint8), stored)
