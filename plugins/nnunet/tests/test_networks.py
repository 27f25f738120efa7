"""nnU-Net's networks as backbones: the library's outputs, nnU-Net's weights of levels, errors in words."""

import pytest
import torch
from pnetkit_nnunet.networks import PlainConvUNet, ResidualEncoderUNet
from torch import nn

from pnetkit.recipe.models import TrainingSettings


@pytest.mark.parametrize("kind", [PlainConvUNet, ResidualEncoderUNet])
def test_what_a_network_is_usually_trained_with_could_stand_in_a_recipe(kind):
    settings = TrainingSettings(**kind.usual_training)
    assert (settings.momentum, settings.nesterov, settings.loss) == (0.99, True, "dice-cross-entropy")


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


@pytest.mark.parametrize("kind", [PlainConvUNet, ResidualEncoderUNet])
def test_a_patch_that_leaves_one_voxel_is_refused_in_training_and_evaluation_with_what_to_do(kind):
    network, x = kind(width=4, levels=5), torch.zeros(2, 1, 16, 16, 16)
    said = r"of \(16, 16, 16\) leaves one voxel at the deepest level.* a larger one than \(16, 16, 16\)"
    for mode in (True, False):
        network.train(mode)
        with pytest.raises(ValueError, match=said):
            network(x)
    with torch.inference_mode():
        with pytest.raises(ValueError, match=said):
            network.encode(x, {"stage1", "stage4"})
        assert network.encode(x, {"stage3"})["stage3"].shape[2:] == (2, 2, 2)
        assert network(torch.zeros(1, 1, 16, 16, 32)).logits.shape[2:] == (16, 16, 32)


@pytest.mark.parametrize("kind", [PlainConvUNet, ResidualEncoderUNet])
@pytest.mark.parametrize("supervised", [True, False])
def test_what_is_never_trained_is_what_is_declared_and_nothing_else(kind, supervised):
    network = kind(width=4, levels=4, deep_supervision=supervised).train()
    found = network(torch.randn(2, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0)))
    weights = [1.0, *(head.loss_weight for head in network.spec.aux_heads)]
    parts = zip(weights, (found.logits, *found.aux_logits), strict=True)
    sum(weight * part.square().mean() for weight, part in parts).backward()
    still = {name for name, of in network.named_parameters() if of.grad is None or not of.grad.any()}
    layers = (0,) if supervised else (0, 1)
    heads = {f"network.decoder.seg_layers.{n}.{what}" for n in layers for what in ("weight", "bias")}
    assert {name for name in still if not name.endswith("conv.bias")} == heads  # a bias before a norm moves nothing
    assert list(network.deviations) == ["gradients"]


def test_average_poolings_answer_in_half_precision_on_a_cpu_and_as_the_library_s_in_fp32():
    network = ResidualEncoderUNet(width=4, levels=4)
    pools = [module for module in network.modules() if isinstance(module, nn.AvgPool3d)]
    assert len(pools) == 3
    x = torch.randn(1, 2, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    wanted = nn.AvgPool3d(2, 2)(x)
    for pool in pools:
        assert torch.equal(pool(x), wanted)
        assert torch.equal(pool(x.bfloat16()), nn.AvgPool3d(2, 2)(x.bfloat16().float()).bfloat16())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(pool(x.bfloat16()), nn.AvgPool3d(2, 2)(x.bfloat16()))
