"""Folding and casting: the same network, faster."""

import copy

import pytest
import torch
from pnetkit_s4c.network import S4C
from pnetkit_unet3d.network import UNet3D
from pnetkit_vnet.network import VNet
from torch import nn

from pnetkit.acceleration import accelerated, fold_batch_norms


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
    [(lambda: S4C(width=4), 13), (UNet3D, None), (VNet, None)],
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


def test_bf16_agrees_with_fp32_in_almost_all_labels():
    network = trained(S4C(width=8))
    x = torch.randn(1, 1, 32, 32, 32)
    with torch.inference_mode():
        exact = network(x).logits
        rough = accelerated(network, device="cpu", precision="bf16")(x.bfloat16()).logits
    assert rough.dtype == torch.bfloat16
    assert (exact.argmax(1) == rough.argmax(1)).float().mean() > 0.97
