"""V-Net against its three sources: the paper's figure, the released Caffe file, and MONAI."""

import pytest
import torch
from pnetkit_vnet.network import VNet
from torch import nn


def count(**params):
    with torch.device("meta"):
        return sum(p.numel() for p in VNet(**params).parameters())


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"variant": "paper", "norm": "none"}, 65_175_380),
        ({"variant": "paper"}, 65_182_292),
        ({"variant": "caffe"}, 61_990_700),
        ({"variant": "monai"}, 45_605_916),
    ],
)
def test_each_variant_has_the_parameters_of_its_source(params, expected):
    assert count(**params) == expected


@pytest.fixture(name="twins")
def twin_networks():
    """MONAI's VNet and ours with its weights, which stand in the same order in both."""
    from monai.networks.nets import VNet as MonaiVNet

    torch.manual_seed(0)
    theirs = MonaiVNet(spatial_dims=3, in_channels=1, out_channels=4)
    ours = VNet(variant="monai", dropout=0.5)
    names, values = list(ours.state_dict()), list(theirs.state_dict().values())
    assert len(names) == len(values)
    ours.load_state_dict(dict(zip(names, values, strict=True)))
    return theirs, ours


@pytest.mark.slow
def test_the_monai_variant_gives_monai_s_output_with_its_weights(twins):
    theirs, ours = (network.eval() for network in twins)
    x = torch.randn(1, 1, 32, 16, 16)
    with torch.inference_mode():
        assert torch.equal(ours(x).logits, theirs(x))


@pytest.mark.slow
def test_the_monai_variant_drops_features_where_monai_does(twins):
    x = torch.randn(1, 1, 16, 16, 16)
    theirs, ours = (network.eval() for network in twins)
    for network in (theirs, ours):
        for module in network.modules():
            if isinstance(module, (nn.Dropout3d, nn.Dropout)):
                module.train()
    with torch.inference_mode():
        torch.manual_seed(1)
        expected = theirs(x)
        torch.manual_seed(1)
        assert torch.equal(ours(x).logits, expected)


@pytest.mark.parametrize("variant", ["paper", "caffe", "monai"])
def test_every_variant_keeps_the_size_and_every_parameter_learns(variant):
    torch.manual_seed(0)
    network = VNet(variant=variant, width=2)
    output = network(torch.randn(2, 1, 32, 16, 16))
    assert output.logits.shape == (2, 4, 32, 16, 16)
    assert output.aux_logits == ()
    output.logits.square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_two_input_phases_are_copied_into_the_first_stage():
    assert VNet(in_channels=2, width=4)(torch.randn(2, 2, 16, 16, 16)).logits.shape == (2, 4, 16, 16, 16)
    with pytest.raises(ValueError, match="multiple of in_channels 3"):
        VNet(in_channels=3, width=16)
