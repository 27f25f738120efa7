"""nnU-Net's networks as backbones: the library's outputs, nnU-Net's weights of levels, errors in words."""

import pytest
import torch
from pnetkit_nnunet.networks import PlainConvUNet, ResidualEncoderUNet
from torch import nn


@pytest.mark.parametrize("kind", [PlainConvUNet, ResidualEncoderUNet])
def test_main_and_side_outputs_are_the_library_s_on_the_input_s_grid(kind):
    torch.manual_seed(0)
    network = kind(width=4, levels=4).train()
    x = torch.randn(2, 1, 16, 16, 16)
    found = network(x)
    network.network.decoder.deep_supervision = True
    theirs = network.network(x)
    assert [tuple(logits.shape[2:]) for logits in theirs] == [(16,) * 3, (8,) * 3, (4,) * 3]
    assert torch.equal(found.logits, theirs[0])
    for ours, small in zip(found.aux_logits, theirs[1:], strict=True):
        assert torch.equal(ours, nn.functional.interpolate(small, size=(16,) * 3, mode="trilinear"))
    assert [head.loss_weight for head in network.spec.aux_heads] == [0.5, 0.0]  # as nnU-Net: none for the last


@pytest.mark.parametrize("kind", [PlainConvUNet, ResidualEncoderUNet])
def test_published_stages_are_the_encoder_s(kind):
    network = kind(width=4, levels=4).eval()
    x = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        skips = network.network.encoder(x)
        found = network.encode(x, {"stage0", "stage3"})
    assert torch.equal(found["stage0"], skips[0])
    assert torch.equal(found["stage3"], skips[3])


def test_without_deep_supervision_there_are_no_side_outputs():
    network = PlainConvUNet(width=4, levels=4, deep_supervision=False).train()
    assert network(torch.zeros(2, 1, 16, 16, 16)).aux_logits == ()
    assert network.spec.aux_heads == ()


def test_a_patch_that_leaves_one_voxel_is_refused_in_training_with_what_to_do():
    with pytest.raises(ValueError, match="leaves one voxel at the deepest level"):
        PlainConvUNet(width=4, levels=5).train()(torch.zeros(2, 1, 16, 16, 16))
