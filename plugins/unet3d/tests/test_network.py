"""3D U-Net against the figures that its authors publish."""

import pytest
import torch
from pnetkit_unet3d.network import UNet3D, valid_output
from torch import nn


def on_meta(**params):
    with torch.device("meta"):
        return UNet3D(**params)


def count(network):
    return sum(p.numel() for p in network.parameters())


def batch_norm_parameters(network):
    return sum(p.numel() for m in network.modules() if isinstance(m, nn.BatchNorm3d) for p in m.parameters())


def test_the_published_configuration_has_the_published_number_of_parameters():
    network = on_meta(in_channels=3, num_classes=3, up_bias=False)
    assert count(network) - batch_norm_parameters(network) == 19_069_955


def test_the_default_has_the_parameters_of_its_layers():
    network = on_meta()
    # by hand: 27 weights a voxel kernel, with biases; up-convolutions 2x2x2, the head 1x1x1
    channels = [(1, 32), (32, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512)]
    decoder = [(768, 256), (256, 256), (384, 128), (128, 128), (192, 64), (64, 64)]
    convs = sum(27 * a * b + b for a, b in channels + decoder)
    ups = sum(8 * c * c + c for c in (512, 256, 128))
    norms = sum(2 * b for _, b in channels + decoder)
    assert count(network) == convs + ups + norms + 64 * 4 + 4 == 19_073_860


@pytest.mark.slow
def test_valid_padding_maps_132_132_116_to_44_44_28():
    network = UNet3D(width=2, padding="valid").eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, 132, 132, 116)).logits.shape == (1, 4, 44, 44, 28)
    assert [valid_output(n) for n in (92, 100, 116, 132)] == [4, 12, 28, 44]


@pytest.mark.parametrize("size", [4, 64, 91, 93, 96, 131])
def test_sizes_that_do_not_fit_valid_padding_are_refused_with_the_nearest(size):
    with pytest.raises(ValueError, match=f"an edge of {size} voxels does not fit valid padding"):
        valid_output(size)


def test_same_padding_keeps_the_size_and_every_parameter_learns():
    torch.manual_seed(0)
    network = UNet3D(width=4)
    output = network(torch.randn(2, 1, 16, 24, 8))
    assert output.logits.shape == (2, 4, 16, 24, 8)
    output.logits.square().mean().backward()
    # a bias before batch normalization has no effect: its gradient is zero but for rounding
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_a_valid_network_is_refused_where_sizes_have_to_be_kept():
    from pnetkit.errors import PluginError
    from pnetkit.networks import checked_output

    with pytest.raises(PluginError, match="padding: same"):
        checked_output(UNet3D(width=2, padding="valid").eval(), torch.zeros(1, 1, 92, 92, 92))


def test_pool3_is_published_with_its_stride():
    network = UNet3D(width=4).eval()
    spec = network.spec.features["pool3"]
    features = network.encode(torch.zeros(1, 1, 16, 24, 32), {"pool3"})
    assert features["pool3"].shape == (1, spec.channels, 2, 3, 4)
    assert network.encode(torch.zeros(1, 1, 8, 8, 8), []) == {}
    with pytest.raises(KeyError, match="publishes pool3, not conv4b"):
        network.encode(torch.zeros(1, 1, 8, 8, 8), ["conv4b"])
