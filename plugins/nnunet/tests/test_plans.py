"""Networks as plans describe them: the library's own for the same lists, axes turned, outputs merged."""

import numpy as np
import pytest
import torch
from dynamic_network_architectures.architectures import unet
from pnetkit_nnunet.axes import merged, turn_of
from pnetkit_nnunet.networks import PlainConvUNet, ResidualEncoderUNet
from torch import nn

from pnetkit.errors import BrokenPluginError
from pnetkit.interfaces import TransferBackbone
from pnetkit.method.plugins import build, identify

LEVELS = {
    "features": (4, 6, 10),
    "strides": ((1, 1, 1), (1, 2, 2), (2, 2, 1)),
    "kernels": ((1, 3, 3), (3, 3, 3), (3, 3, 1)),
    "decoder_convolutions": (1, 2),
}
THEIRS = {
    "n_stages": 3, "features_per_stage": [4, 6, 10], "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 1]],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 1]], "n_conv_per_stage_decoder": [1, 2], "input_channels": 1,
    "num_classes": 4, "conv_op": nn.Conv3d, "conv_bias": False,
    "norm_op": nn.BatchNorm3d, "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "nonlin": nn.ReLU, "nonlin_kwargs": {"inplace": True}, "deep_supervision": True,
}  # fmt: skip
KINDS = [
    (PlainConvUNet, {"convolutions": (2, 1, 3)}, unet.PlainConvUNet, {"n_conv_per_stage": [2, 1, 3]}),
    (ResidualEncoderUNet, {"blocks": (1, 2, 3)}, unet.ResidualEncoderUNet, {"n_blocks_per_stage": [1, 2, 3]}),
]


@pytest.mark.parametrize(("kind", "depth", "library", "their_depth"), KINDS)
def test_a_network_of_given_levels_is_the_library_s_and_takes_its_state(kind, depth, library, their_depth):
    network = kind(**LEVELS, **depth, norm="batch", activation="relu", bias=False).eval()
    theirs = library(**THEIRS, **their_depth).eval()
    assert isinstance(network, TransferBackbone)
    names = network.own_names({name: tuple(of.shape) for name, of in theirs.state_dict().items()})
    network.load_state_dict({names[name]: tensor for name, tensor in theirs.state_dict().items()})
    theirs.decoder.deep_supervision = False
    x = torch.randn(1, 1, 8, 16, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(network(x).logits, theirs(x))
    assert network.spec.divisor == (2, 4, 2)
    assert {name: of.stride for name, of in network.spec.features.items()} == {
        "stage0": (1, 1, 1),
        "stage1": (1, 2, 2),
        "stage2": (2, 4, 2),
    }
    parts = {network.part_of(name) for name in network.state_dict()}
    assert parts == {"encoder", "decoder", "head"}
    assert {name for name in network.state_dict() if network.part_of(name) == "head"} == {
        f"network.decoder.seg_layers.{level}.{what}" for level in (0, 1) for what in ("weight", "bias")
    }


def test_axes_are_turned_to_the_network_s_and_back():
    volume = np.arange(24).reshape(1, 1, 2, 3, 4)
    there = turn_of("SPL").to_network(torch.from_numpy(volume))
    assert np.array_equal(there.numpy(), volume[..., ::-1, ::-1, :].transpose(0, 1, 4, 3, 2))
    for code in ("RAS", "SPL", "ASL", "ILP"):
        turn = turn_of(code)
        assert np.array_equal(turn.to_scan(turn.to_network(torch.from_numpy(volume))).numpy(), volume)
    assert turn_of("SPL").in_scan((1, 2, 3)) == (3, 2, 1)
    assert turn_of("ASL").in_scan((1, 2, 3)) == (3, 1, 2)  # A is y, S is z, L is x
    with pytest.raises(ValueError, match="name a direction twice"):
        turn_of("SPI")


def test_a_network_of_other_axes_answers_what_one_of_our_axes_answers_to_the_turned_scan():
    torch.manual_seed(0)
    ours = PlainConvUNet(**LEVELS).train()
    torch.manual_seed(0)
    turned = PlainConvUNet(**LEVELS, axes="ALS").train()
    assert (ours.spec.divisor, turned.spec.divisor) == ((2, 4, 2), (4, 2, 2))
    x = torch.randn(1, 1, 16, 8, 12, generator=torch.Generator().manual_seed(0))  # y goes first, and x runs back
    found, wanted = turned(x), ours(x.flip(2).permute(0, 1, 3, 2, 4))
    for got, want in zip((found.logits, *found.aux_logits), (wanted.logits, *wanted.aux_logits), strict=True):
        assert torch.equal(got, want.permute(0, 1, 3, 2, 4).flip(2))
    maps = turned.encode(x, {"stage2"})["stage2"]
    assert tuple(maps.shape[2:]) == (4, 4, 6)


def test_outputs_of_one_meaning_are_merged_so_that_the_winner_stays_who_it_was():
    logits = torch.tensor([[1.0, 5.0, 3.0, 6.0, 2.0]])[..., None, None, None]
    found = merged(logits, (0, 1, 2, 0, 0), 4)[0, :, 0, 0, 0]
    assert found.tolist() == [6.0, 5.0, 3.0, -1e4]
    network = PlainConvUNet(**LEVELS, outputs=(0, 1, 2, 0, 0))
    assert network.network.decoder.seg_layers[-1].weight.shape[0] == 5
    assert network.eval()(torch.zeros(1, 1, 8, 16, 8)).logits.shape[1] == 4


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"strides": ((1, 1, 1),)}, "strides has 1 items, wanted one for each of 5 levels"),
        ({"features": (4, 8, 8), "convolutions": (2, 2)}, "convolutions has 2 items, wanted one for each of 3 levels"),
        ({"decoder_convolutions": (2,)}, "decoder_convolutions has 1 items, wanted one for each of 4"),
        ({"outputs": (0, 4)}, "mean classes up to 4; there are 0 to 3"),
        ({"axes": "RAR"}, "name a direction twice"),
    ],
)
def test_lists_that_do_not_fit_each_other_are_refused_in_words(params, said):
    identity = identify("backbone", "nnunet-plain", params)
    with torch.device("meta"), pytest.raises(BrokenPluginError, match=said):
        build(identity, in_channels=1, num_classes=4)
