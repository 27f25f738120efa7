"""The S4C network against the layer table of the paper and its ancestor."""

import numpy as np
import pytest
import torch
from pnetkit_s4c.network import LOSS_WEIGHTS, S4C

from pnetkit.inference.features import roi_features


def count(network, *, aux=True):
    return sum(p.numel() for name, p in network.named_parameters() if aux or "aux" not in name)


def on_meta(**params):
    with torch.device("meta"):
        return S4C(**params)


@pytest.fixture(name="small", scope="module")
def small_network():
    torch.manual_seed(0)
    return S4C(width=4)


@pytest.mark.parametrize(
    ("params", "training", "inference"),
    [
        ({}, 7_607_212, 6_820_516),
        ({"decoder_convs": 2}, 8_188_268, 7_401_572),
        ({"decoder_order": "conv_sum"}, 7_607_212, 6_820_516),
        ({"aux": "trilinear"}, 7_607_212 - 785_920, 6_820_516),
        ({"aux": "none"}, 6_820_516, 6_820_516),
        ({"deconv_norm": False}, 6_820_292 + 786_696, 6_820_292),
    ],
)
def test_parameter_counts_are_those_of_the_layer_table(params, training, inference):
    network = on_meta(**params)
    assert count(network) == training
    assert count(network, aux=False) == inference


def test_losses_of_aux_1_aux_2_and_main_weigh_1_2_5():
    for main, first, second in LOSS_WEIGHTS.values():
        assert (first / main, second / main) == pytest.approx((1 / 5, 2 / 5))
    spec = on_meta(loss_scale="raw").spec
    assert (spec.loss_weight, *(head.loss_weight for head in spec.aux_heads)) == (5, 1, 2)
    assert [head.name for head in spec.aux_heads] == ["aux1", "aux2"]


def test_sizes_are_kept_and_auxiliary_scores_come_in_training_only(small):
    x = torch.randn(2, 1, 16, 24, 8)
    trained = small.train()(x)
    assert [logits.shape for logits in (trained.logits, *trained.aux_logits)] == [(2, 4, 16, 24, 8)] * 3
    assert small.eval()(x).aux_logits == ()


def test_class_shares_are_the_mean_probabilities_of_cells(small):
    x = torch.randn(2, 1, 16, 8, 24)
    shares = small.eval().encode(x, ["class_shares"])["class_shares"]
    assert shares.shape == (2, 4, 2, 1, 3)
    cell = small(x).logits.softmax(1)[1, :, 8:16, 0:8, 16:24]
    assert torch.allclose(shares[1, :, 1, 0, 2], cell.mean((1, 2, 3)), atol=1e-6)
    assert [name for name, spec in small.spec.features.items() if spec.aligned] == ["class_shares"]


def test_every_parameter_learns_from_the_losses(small):
    small.train().zero_grad()
    output = small(torch.randn(2, 1, 16, 16, 16))
    sum(logits.square().mean() for logits in (output.logits, *output.aux_logits)).backward()
    assert [name for name, p in small.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_published_features_have_the_promised_channels_and_stride(small):
    x = torch.randn(1, 1, 16, 24, 32)
    maps = small.eval().encode(x, ["conv4b", "pool3"])
    assert maps["pool3"].shape == (1, 16, 2, 3, 4)
    assert maps["conv4b"].shape == (1, 32, 2, 3, 4)
    full = on_meta().spec.features
    assert (full["pool3"].channels, full["conv4b"].channels) == (128, 256)
    assert {spec.stride for spec in full.values()} == {(8, 8, 8)}


def test_only_known_features_are_given(small):
    assert small.encode(torch.zeros(1, 1, 8, 8, 8), []) == {}
    with pytest.raises(KeyError, match="publishes pool3, conv4b, class_shares, not pool4"):
        small.encode(torch.zeros(1, 1, 8, 8, 8), ["pool4"])


def test_conv4b_sees_66_voxels():
    """A gradient reaches back over the receptive field of the layer table, and no further."""
    network = S4C(width=1).eval()
    for module in network.modules():  # all paths open: positive weights, no dead ReLU
        if isinstance(module, torch.nn.Conv3d):
            torch.nn.init.constant_(module.weight, 0.1)
    x = torch.rand(1, 1, 96, 8, 8, requires_grad=True)
    network.pool = torch.nn.AvgPool3d(2)  # a maximum would pass one voxel's gradient only
    network.encode(x, ["conv4b"])["conv4b"][0, :, 6, 0, 0].sum().backward()
    seen = x.grad[0, 0].abs().sum(dim=(1, 2)).nonzero()
    assert int(seen.max() - seen.min()) + 1 == 66


def test_sum_and_concatenation_differ_in_the_decoder_only():
    summed, joined = dict(on_meta().named_parameters()), dict(on_meta(skip="concat").named_parameters())
    changed = {name for name in summed if summed[name].shape != joined[name].shape}
    assert changed == {"res_conv3b.0.0.weight", "res_conv2b.0.0.weight", "res_conv1b.0.0.weight"}
    assert all(joined[name].shape[1] == 2 * summed[name].shape[1] for name in changed)


def test_concatenation_without_a_convolution_to_merge_is_refused():
    with pytest.raises(ValueError, match="skip 'concat' needs"):
        S4C(skip="concat", decoder_convs=0)


def test_items_of_a_batch_do_not_mix_in_evaluation(small):
    x = torch.randn(3, 1, 16, 16, 16)
    with torch.inference_mode():
        together = small.eval()(x).logits
        alone = torch.cat([small(item[None]).logits for item in x])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("decoder_convs", [0, 1, 2])
@pytest.mark.parametrize("order", ["sum_conv", "conv_sum"])
def test_every_decoder_works(decoder_convs, order):
    network = S4C(width=2, decoder_convs=decoder_convs, decoder_order=order, init="gaussian", num_classes=3)
    assert network(torch.randn(1, 1, 16, 16, 16)).logits.shape == (1, 3, 16, 16, 16)


@pytest.mark.parametrize("name", ["pool3", "conv4b", "class_shares"])
def test_every_cell_of_a_region_is_that_of_the_map_of_the_whole_volume(name):
    """With 16 voxels around the region, as pool3 needs them, most cells of the others were not."""
    torch.manual_seed(0)
    network = S4C(width=2).eval()
    shape = (128, 112, 112)
    volume = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    roi = np.zeros(shape, bool)
    roi[58:71, 48:64, 50:61] = True
    found = roi_features(network, volume, roi, names=(name,), margin_voxels=0, fill=-1.0, device="cpu")[name]
    with torch.inference_mode():
        whole = network.encode(torch.from_numpy(volume[None]), {name})[name][0, :, 7:9, 6:8, 6:8].numpy()
    assert found.shape == whole.shape
    differ = ~np.isclose(found, whole, rtol=1e-4, atol=1e-5 * np.abs(whole).max())
    assert differ.mean() == 0
