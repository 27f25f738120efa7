"""Folding and casting: the same network, faster."""

import copy

import pytest
import torch
from pnetkit_s4c.network import S4C
from pnetkit_unet3d.network import UNet3D
from pnetkit_vnet.network import VNet
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from pnetkit.acceleration import accelerated, fold_batch_norms
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec


def trained(network):
    """A network whose batch norms have something to fold."""
    torch.manual_seed(0)
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(2, 1, 16, 16, 16) * 2 + 1)
    return network.eval()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "folded"),
    [(lambda: S4C(width=4), 13), (lambda: UNet3D(width=4), None), (lambda: VNet(width=4), None)],
    ids=["S4C", "UNet3D", "VNet"],
)
def test_a_folded_network_answers_the_same_up_to_rounding(make, folded):
    network = trained(make())
    before = copy.deepcopy(network.state_dict())
    quick = accelerated(network, device="cpu", precision="fp32")
    x = torch.randn(2, 1, 16, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(quick(x).logits, network(x).logits, rtol=1e-3, atol=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    if folded is not None:
        left = [m for m in quick.modules() if isinstance(m, nn.BatchNorm3d)]
        assert (fold_batch_norms(copy.deepcopy(network)), len(left)) == (folded, 0)


def test_folding_is_off_by_far_when_a_norm_is_wrong():
    """The comparison above would see a mistake."""
    network = trained(S4C(width=4))
    quick = accelerated(network, device="cpu", precision="fp32")
    network.conv1a[1].running_mean += 0.5
    x = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        assert (quick(x).logits - network(x).logits).abs().max() > 0.01


def test_only_what_runs_in_a_known_order_is_folded():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2)

    assert fold_batch_norms(Odd()) == 0
    hooked = nn.Sequential(nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2))
    hooked[0].register_forward_hook(lambda *_: None)
    assert fold_batch_norms(hooked) == 0
    assert fold_batch_norms(nn.Sequential(nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2, track_running_stats=False))) == 0
    assert fold_batch_norms(nn.Sequential(nn.Conv3d(1, 2, 3), nn.ReLU(), nn.BatchNorm3d(2))) == 0


class FromInside(nn.Module):
    """Takes a map from inside of a Sequential, which folding changes."""

    def __init__(self):
        super().__init__()
        self.spec = BackboneSpec(1, 4, (1, 1, 1))
        self.one = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ReLU())
        self.two = nn.Conv3d(4, 4, 1)

    def forward(self, x):
        return BackboneOutput(self.two(self.one(x) + self.one[0](x)))


class InFloat(FromInside):
    """Takes no double precision, and is folded for all that."""

    def forward(self, x):
        if x.dtype == torch.float64:
            raise RuntimeError("float, please")
        return BackboneOutput(self.two(self.one(x)))


class Unable(FromInside):
    def forward(self, x):
        raise ValueError(f"takes no patch of {tuple(x.shape)}")


def norms_of(network):
    return sum(isinstance(module, nn.BatchNorm3d) for module in network.modules())


def test_a_network_that_looks_inside_a_sequential_is_not_folded_and_says_the_same():
    torch.manual_seed(0)
    network = trained(FromInside())
    quick = accelerated(network, device="cpu", precision="fp32")
    x = torch.randn(1, 1, 8, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(quick(x).logits, network(x).logits, rtol=1e-4, atol=1e-4)
        assert norms_of(quick) == 1
        fold_batch_norms(network)
        assert (quick(x).logits - network(x).logits).abs().max() > 0.05  # what folding would have made of it


@pytest.mark.parametrize(("kind", "norms"), [(InFloat, 0), (Unable, 1)])
def test_what_takes_no_double_is_proven_in_single_precision_and_what_takes_neither_is_left_as_it_is(kind, norms):
    torch.manual_seed(0)
    assert norms_of(accelerated(kind(), device="cpu", precision="fp32")) == norms


@pytest.mark.parametrize("wrap", [weight_norm, spectral_norm])
def test_a_convolution_with_parametrized_weights_is_left_alone(wrap):
    torch.manual_seed(0)
    network = FromInside()
    network.one = nn.Sequential(wrap(nn.Conv3d(1, 4, 3, padding=1)), nn.BatchNorm3d(4), nn.ReLU())
    network = trained(network)
    quick = accelerated(network, device="cpu", precision="fp32")
    x = torch.randn(1, 1, 8, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(quick(x).logits, network(x).logits, rtol=1e-4, atol=1e-4)
    assert norms_of(quick) == 1


def test_the_proof_leaves_the_random_state_and_the_network_alone():
    network = trained(FromInside())
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    accelerated(network, device="cpu", precision="bf16")
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_bf16_agrees_with_fp32_in_almost_all_labels():
    network = trained(S4C(width=8))
    x = torch.randn(1, 1, 32, 32, 32)
    with torch.inference_mode():
        exact = network(x).logits
        rough = accelerated(network, device="cpu", precision="bf16")(x.bfloat16()).logits
    assert rough.dtype == torch.bfloat16
    assert (exact.argmax(1) == rough.argmax(1)).float().mean() > 0.97
