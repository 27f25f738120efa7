"""Tests of pnetkit.method.trained_network: weights fit their network, and are numbers."""

import pytest
import torch
from safetensors.torch import save_file

from pnetkit.errors import StoreError
from pnetkit.method.plugins import identify
from pnetkit.method.trained_network import load_weights, new_backbone

TINY = {"width": 2}


@pytest.fixture
def identity():
    return identify("backbone", "s4c", TINY)


@pytest.fixture
def state(identity):
    return {name: tensor.clone() for name, tensor in new_backbone(identity, in_channels=1, seed=3).state_dict().items()}


def test_a_network_gets_the_tensors_of_a_file(identity, state, tmp_path):
    save_file(state, tmp_path / "w.safetensors")
    loaded = load_weights(tmp_path / "w.safetensors", identity, in_channels=1).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(identity, state, tmp_path, value):
    name = next(name for name, tensor in state.items() if tensor.dim() == 5)
    state[name][0, 0, 0, 0, 0] = value
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(StoreError, match=rf"1 of its tensors are not finite \({name}, …\): its training diverged"):
        load_weights(tmp_path / "w.safetensors", identity, in_channels=1)


def test_tensors_of_another_network_are_refused(identity, state, tmp_path):
    save_file(dict(list(state.items())[1:]), tmp_path / "w.safetensors")
    with pytest.raises(StoreError, match="cannot be loaded into s4c"):
        load_weights(tmp_path / "w.safetensors", identity, in_channels=1)
