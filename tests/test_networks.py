"""Tests of pnetkit.networks: holding backbones to their promises."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pnetkit.errors import PluginError
from pnetkit.interfaces import BackboneOutput
from pnetkit.networks import (
    autocast,
    build_seeded,
    check_patch_size,
    checked_output,
    distinct_tensors,
    load_state,
    sizes_in_words,
    small_size,
    to_channels_last,
)
from pnetkit.types import BackboneSpec


class Net(nn.Module):
    def __init__(self, crop=0):
        super().__init__()
        self.spec = BackboneSpec(1, 4, (8, 8, 4))
        self.conv = nn.Conv3d(1, 4, 1)
        self.crop = crop

    def forward(self, x):
        return BackboneOutput(self.conv(x)[..., : x.shape[-1] - self.crop])


class Joins(Net):
    """Joins a level of a quarter with the input, and says that it divides by 1."""

    def __init__(self):
        super().__init__()
        self.spec = BackboneSpec(1, 4, (1, 1, 1))

    def forward(self, x):
        quarter = nn.functional.avg_pool3d(x, 4)
        return BackboneOutput(self.conv(torch.cat([x, nn.functional.interpolate(quarter, scale_factor=4)], 0))[:1])


def test_a_size_that_a_network_breaks_on_though_its_divisor_admits_it_is_said_with_size_and_divisor():
    with pytest.raises(PluginError, match=r"Joins cannot take an input of \(6, 8, 8\).*divisor \(1, 1, 1\): Sizes of"):
        checked_output(Joins(), torch.zeros(1, 1, 6, 8, 8))
    with pytest.raises(RuntimeError, match="out of memory"), sizes_in_words(Joins(), torch.zeros(1, 1, 8, 8, 8)):
        raise RuntimeError("CUDA out of memory")  # what has its own words keeps them


def test_weights_depend_on_the_seed_alone_and_the_caller_s_random_state_stays():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = build_seeded(Net, 1), build_seeded(Net, 1), build_seeded(Net, 2)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first.conv.weight, again.conv.weight)
    assert not torch.equal(first.conv.weight, other.conv.weight)


def test_what_is_no_backbone_is_refused_with_what_it_lacks():
    with pytest.raises(PluginError, match="Conv3d is not a Backbone: it lacks spec"):
        build_seeded(lambda: nn.Conv3d(1, 1, 1), 0)


def test_convolutions_in_three_dimensions_are_laid_out_channels_last_and_all_else_stays():
    module = nn.ModuleDict(
        {
            "first": nn.Conv3d(1, 4, 3),
            "volume": nn.Conv3d(2, 4, 3),
            "plane": nn.Conv2d(2, 4, 3),
            "norm": nn.BatchNorm3d(4),
        }
    )
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    to_channels_last(module)
    assert module["volume"].weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert module["plane"].weight.is_contiguous()
    assert module["first"].weight.stride() == (27, 1, 9, 3, 1)  # whose layout is told by nothing but its strides
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_logits_have_to_lie_on_the_input_s_grid():
    x = torch.zeros(2, 1, 8, 8, 4)
    assert checked_output(Net(), x).logits.shape == (2, 4, 8, 8, 4)
    with pytest.raises(PluginError, match=r"logits of shape \(2, 4, 8, 8, 3\) to an input of \(2, 1, 8, 8, 4\)"):
        checked_output(Net(crop=1), x)


def test_patches_have_to_fit_the_divisor():
    check_patch_size(Net(), (16, 8, 12), "training.patch_size")
    with pytest.raises(PluginError, match=r"training.patch_size is \(20, 8, 10\).*The next that fits is \(24, 8, 12\)"):
        check_patch_size(Net(), (20, 8, 10), "training.patch_size")


def test_a_network_of_one_size_takes_no_other_multiple():
    network = Net()
    network.spec = replace(network.spec, only_size=(16, 16, 8))
    check_patch_size(network, (16, 16, 8), "training.patch_size")
    with pytest.raises(
        PluginError, match=r"window_size is \(32, 16, 8\).*no other size than \(16, 16, 8\)\. Set infer"
    ):
        check_patch_size(network, (32, 16, 8), "inference.window_size")


@given(st.tuples(*[st.sampled_from([1, 2, 3, 8, 16, 24, 32, 48, 64])] * 3))
def test_networks_are_measured_on_a_small_size_of_two_divisors_or_on_their_only_size(divisor):
    size = small_size(BackboneSpec(1, 4, divisor))
    assert all(edge % d == 0 and edge >= 32 and edge >= 2 * d for edge, d in zip(size, divisor, strict=True))
    assert max(size) <= max(48, 2 * max(divisor))
    only = (3 * divisor[0], divisor[1], divisor[2])
    assert small_size(BackboneSpec(1, 4, divisor, only_size=only)) == only


def test_bf16_is_used_only_where_asked_for():
    with autocast("cpu", "bf16"):
        assert Net()(torch.zeros(1, 1, 8, 8, 4)).logits.dtype == torch.bfloat16
    with autocast("cpu", "fp32"):
        assert Net()(torch.zeros(1, 1, 8, 8, 4)).logits.dtype == torch.float32


def test_a_tensor_under_two_names_is_stored_once_and_loaded_under_both():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.spec = BackboneSpec(1, 2, (1, 1, 1))
            self.one = nn.Conv3d(1, 2, 1)
            self.again = self.one
            self.other = nn.Conv3d(1, 2, 1)

    source, target = Twice(), Twice()
    kept = distinct_tensors(source.state_dict())
    assert sorted(kept) == ["again.bias", "again.weight", "other.bias", "other.weight"]
    load_state(target, {name: tensor.clone() for name, tensor in kept.items()})
    for name, tensor in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], tensor)
    assert target.one is target.again
    with pytest.raises(RuntimeError, match=r"other\.bias"):
        load_state(target, {name: tensor for name, tensor in kept.items() if name != "other.bias"})


def test_a_network_without_values_is_built_without_torch_s_compiler():
    script = """
import subprocess
import sys
from pnetkit_s4c.network import S4C
from pnetkit.networks import without_values
with without_values():
    network = S4C(width=2)
assert {of.device.type for of in network.state_dict().values()} == {"meta"}
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False\n", "")
