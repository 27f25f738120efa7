"""Tests of pnetkit_roi_classifier.network."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pnetkit_roi_classifier.network import ClassificationNet
from torch import nn


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(**options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ClassificationNet(4, **{"channels": (8, 8), "groups": 4, **options}).eval()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 885_506),
        ({"head": "max"}, 885_506),
        ({"head": "avgmax"}, 885_762),
        ({"dropout": 0.5}, 885_506),
        ({"channels": (128, 128, 128)}, 1_328_130),
        ({"channels": (128, 256)}, 1_328_386),
        ({"channels": (64, 64), "groups": 16}, 332_162),
    ],
)
def test_number_of_parameters(options, expected):
    with torch.device("meta"):
        network = ClassificationNet(128, **options)
    assert sum(p.numel() for p in network.parameters()) == expected


def test_default_count_by_hand():
    convolution = 128 * 128 * 3**3  # without bias
    normalization = 2 * 128
    linear = 128 * 2 + 2
    assert 2 * (convolution + normalization) + linear == 885_506


@pytest.mark.parametrize("channels", [(8,), (8, 8), (8, 16, 8)])
def test_group_normalization_follows_each_convolution(channels):
    layers = list(tiny(channels=channels).body)
    convolutions = [i for i, layer in enumerate(layers) if isinstance(layer, nn.Conv3d)]
    assert len(convolutions) == len(channels)
    assert [layers[i].out_channels for i in convolutions] == list(channels)
    for i in convolutions:
        assert layers[i].bias is None
        assert isinstance(layers[i + 1], nn.GroupNorm)
        assert (layers[i + 1].num_groups, layers[i + 1].num_channels) == (4, layers[i].out_channels)
        assert isinstance(layers[i + 2], nn.ReLU)


def test_poolings_stand_between_the_convolutions_only():
    kinds = [type(layer) for layer in tiny(channels=(8, 8, 8)).body]
    assert kinds.count(nn.MaxPool3d) == 2
    assert kinds[-1] is nn.ReLU


@settings(deadline=None, max_examples=25)
@given(st.tuples(*[st.integers(1, 6)] * 3), st.sampled_from(["avg", "max", "avgmax"]))
def test_maps_of_any_size_give_two_logits(size, head):
    with torch.inference_mode():
        logits = tiny(head=head)(torch.ones(1, 4, *size))
    assert logits.shape == (1, 2)
    assert torch.isfinite(logits).all()


def test_items_of_a_batch_do_not_influence_each_other():
    network = tiny(head="avgmax")
    maps = torch.rand(3, 4, 5, 4, 3, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(network(maps), torch.cat([network(item[None]) for item in maps]))


def test_heads_pool_as_they_are_called():
    maps = torch.rand(1, 4, 5, 4, 3, generator=torch.Generator().manual_seed(1))
    for head in ("avg", "max", "avgmax"):
        network = tiny(head=head)
        with torch.inference_mode():
            body = network.body(maps)
            parts = {"avg": [body.mean((2, 3, 4))], "max": [body.amax((2, 3, 4))]}
            parts["avgmax"] = parts["avg"] + parts["max"]
            torch.testing.assert_close(network(maps), network.score(torch.cat(parts[head], dim=1)))
