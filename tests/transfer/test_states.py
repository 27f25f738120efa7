"""Tests of pnetkit.transfer.states: one network's tensors are found in what checkpoints hold around them."""

import pytest
import torch

from pnetkit.errors import WeightsError
from pnetkit.transfer.states import deduplicated, find_state

ONE = torch.ones(2)


@pytest.mark.parametrize(
    ("content", "under"),
    [
        ({"a": ONE, "b": ONE}, ""),
        (
            {"network_weights": {"a": ONE, "b": ONE}, "optimizer_state": {"state": {0: {"m": ONE}}}, "epoch": 3},
            "network_weights",
        ),
        ({"state_dict": {"a": ONE, "b": ONE}, "other": {"c": ONE}}, "state_dict"),
        ({"net": {"module.a": ONE, "module.b": ONE}}, "net"),
        ({"mine": {"model": {"a": ONE, "b": ONE}}, "step": 1}, "mine.model"),
    ],
)
def test_the_network_is_found_and_wrappers_before_its_names_are_left_out(content, under):
    state, where = find_state(content, "c.pth")
    assert list(state) == ["a", "b"]
    assert where == under


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1], "holds a list, wanted tensors by name"),
        ({"epoch": 3}, "holds no tensors"),
        ({"x": {"a": ONE}, "y": {"a": ONE}}, r"holds several sets of tensors \(x, y\)"),
        ({"a": torch.tensor([1.0, float("nan")])}, r"1 tensors are not finite \(a"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, r"a is of torch\.complex64"),
    ],
)
def test_what_holds_no_one_network_is_refused(content, said):
    with pytest.raises(WeightsError, match=rf"c\.pth: {said}"):
        find_state(content, "c.pth")


def test_a_tensor_under_three_names_is_kept_once_and_its_names_are_kept():
    shared, other = torch.arange(3.0), torch.zeros(3)
    tensors, further = deduplicated({"z": shared, "b": shared, "m": shared, "a": other})
    assert set(tensors) == {"a", "b"}
    assert further == {"z": "b", "m": "b"}
