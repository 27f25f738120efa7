"""Tests of pnetkit.inference.mirroring, against a loop by hand."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from pnetkit.acceleration import accelerated
from pnetkit.errors import PluginError
from pnetkit.inference.mirroring import VIEWS
from pnetkit.inference.predictors import label_predictor, probability_predictor
from pnetkit.inference.search import Settings
from pnetkit.inference.segment import segment
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec, Grid

PLAIN = Settings((8, 8, 4), (4, 4, 2), 2, fill=0.0, device="cpu", precision="fp32")


class Net(nn.Module):
    """Looks at neighbors in each direction otherwise, and counts the patches that it is shown."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.spec = BackboneSpec(1, 4, (1, 1, 1))
        self.conv = nn.Conv3d(1, 4, 3, padding=1)
        self.seen = 0

    def forward(self, x):
        self.seen += len(x)
        return BackboneOutput(self.conv(x) * 4)


@pytest.fixture
def net():
    return Net().eval()


def by_hand(net, patch):
    """Mirror, ask, mirror back, add up: the mean probability (class, x, y, z) of a patch (channel, x, y, z)."""
    total = np.zeros((4, *patch.shape[1:]))
    for mirrored in product([False, True], repeat=3):
        axes = tuple(axis + 1 for axis in range(3) if mirrored[axis])
        with torch.inference_mode():
            logits = net(torch.from_numpy(np.flip(patch, axes).copy())[None]).logits[0].double().numpy()
        shares = np.exp(logits) / np.exp(logits).sum(axis=0)
        total += np.flip(shares, axes)
    return total / 8


def test_what_is_said_of_a_patch_is_the_mean_of_a_loop_over_all_eight_views(net):
    patches = np.random.default_rng(0).standard_normal((3, 1, 8, 6, 4), dtype=np.float32)
    expected = np.stack([by_hand(net, patch) for patch in patches])
    how = {"device": "cpu", "precision": "fp32", "mirror": True}
    assert np.allclose(probability_predictor(net, **how)(patches), expected, atol=1e-6)
    assert np.array_equal(label_predictor(net, **how)(patches).numpy(), expected.argmax(axis=1))
    plain = label_predictor(net, device="cpu", precision="fp32")(patches).numpy()
    assert not np.array_equal(plain, expected.argmax(axis=1))
    assert len(set(VIEWS)) == 8


@pytest.mark.parametrize("combine", ["vote", "mean-softmax"])
def test_a_mirrored_scan_is_segmented_as_the_scan_is_mirrored(net, combine):
    x, grid = np.random.default_rng(0).standard_normal((1, 8, 12, 6), dtype=np.float32), Grid((8, 12, 6), np.eye(4))
    settings = replace(PLAIN, combine=combine, test_time="mirror")
    run = accelerated(net, device="cpu", precision="fp32")
    there, back = (
        segment(run, np.ascontiguousarray(of), grid, settings).segmentation.labels for of in (x, x[:, ::-1, :, ::-1])
    )
    assert np.array_equal(there, back[::-1, :, ::-1])
    plain = segment(run, x, grid, replace(settings, test_time="none")).segmentation.labels
    assert not np.array_equal(there, plain)


def test_a_window_has_one_vote_and_is_run_eight_times(net):
    x, grid = np.random.default_rng(0).standard_normal((1, 8, 12, 6), dtype=np.float32), Grid((8, 12, 6), np.eye(4))
    plain = segment(net, x, grid, PLAIN)
    once, net.seen = net.seen, 0
    mirrored = segment(net, x, grid, replace(PLAIN, test_time="mirror"))
    assert net.seen == 8 * once
    assert mirrored.windows == plain.windows
    assert np.array_equal(mirrored.segmentation.voters, plain.segmentation.voters)


def test_logits_that_are_not_finite_in_one_view_are_an_error_too(net):
    net.conv.bias.data[1] = float("inf")
    with pytest.raises(PluginError, match="The logits of Net are not finite"):
        label_predictor(net, device="cpu", precision="fp32", mirror=True)(np.zeros((1, 1, 4, 4, 4), np.float32))
