"""Tests of pnetkit.inference.segment: a network on a whole scan."""

import numpy as np
import pytest
import torch
from torch import nn

from pnetkit.acceleration import accelerated
from pnetkit.inference.search import Settings
from pnetkit.inference.segment import segment
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec, Grid


class Bins(nn.Module):
    """Calls 0-3 by the input's value."""

    def __init__(self):
        super().__init__()
        self.spec = BackboneSpec(1, 4, (4, 4, 4))
        self.level = nn.Parameter(torch.arange(4.0).reshape(1, 4, 1, 1, 1))

    def forward(self, x):
        return BackboneOutput(-((x - self.level) ** 2))


def volume(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 4, shape).astype(np.float32)[None]


@pytest.mark.parametrize("shape", [(16, 12, 20), (5, 17, 9), (8, 8, 8)])
@pytest.mark.parametrize("batch_size", [1, 7])
def test_a_network_that_looks_at_one_voxel_labels_each_voxel(shape, batch_size):
    x = volume(shape)
    settings = Settings((8, 8, 8), (3, 4, 5), batch_size, fill=0.0, device="cpu", precision="fp32")
    found = segment(
        accelerated(Bins(), device="cpu", precision="fp32"), x, Grid(shape, np.eye(4)), settings
    ).segmentation
    assert np.array_equal(found.labels, x[0].astype(np.uint8))
    assert np.array_equal(found.votes, found.voters)
    assert found.voters.min() >= 1


class Always(Bins):
    """Gives the same four logits everywhere."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, x):
        return BackboneOutput(torch.tensor(self.logits).reshape(1, 4, 1, 1, 1).expand(len(x), 4, *x.shape[2:]) + 0 * x)


@pytest.mark.parametrize(("combine", "label"), [("vote", 1), ("mean-softmax", 3)])
def test_networks_vote_or_give_their_mean_probability(combine, label):
    networks = [Always([0.0, 1.0, 0.0, 0.0]), Always([0.0, 1.0, 0.0, 0.0]), Always([0.0, 0.0, 0.0, 9.0])]
    settings = Settings((8, 8, 8), (4, 4, 4), 2, fill=0.0, device="cpu", precision="fp32", combine=combine)
    found = segment(networks, volume((12, 8, 8)), Grid((12, 8, 8), np.eye(4)), settings).segmentation
    assert (found.labels == label).all()
    if combine == "vote":
        assert found.voters[:, 0, 0].tolist() == [3] * 4 + [6] * 4 + [3] * 4
        assert np.array_equal(found.votes * 3, found.voters * 2)
