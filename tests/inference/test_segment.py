"""Tests of pnetkit.inference.segment and features: a network on a whole scan, and on its region of interest."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool3d

from pnetkit.acceleration import accelerated
from pnetkit.errors import PluginError
from pnetkit.inference.features import roi_features
from pnetkit.inference.search import Settings
from pnetkit.inference.segment import segment
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec, FeatureSpec, Grid


class Bins(nn.Module):
    """Calls 0-3 by the input's value; publishes the mean of each 4x4x4 block."""

    def __init__(self):
        super().__init__()
        self.spec = BackboneSpec(1, 4, (4, 4, 4), features={"mean4": FeatureSpec(1, (4, 4, 4))})
        self.level = nn.Parameter(torch.arange(4.0).reshape(1, 4, 1, 1, 1))

    def forward(self, x):
        return BackboneOutput(-((x - self.level) ** 2))

    def encode(self, x, features):
        return {name: avg_pool3d(x, 4) for name in features}


class Silent(Bins):
    encode = None


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


def roi(shape, box):
    mask = np.zeros(shape, bool)
    mask[box] = True
    return mask


def features(backbone, x, mask, margin=0, names=("mean4",)):
    return roi_features(backbone, x, mask, names=names, margin_voxels=margin, fill=-7.0, device="cpu")


def test_the_region_s_map_is_cut_from_the_lattice_of_the_whole_volume():
    x = volume((24, 24, 24))
    whole = avg_pool3d(torch.from_numpy(x[None]), 4)[0].numpy()
    found = features(Bins(), x, roi((24, 24, 24), np.s_[9:15, 4:8, 12:13]))["mean4"]
    np.testing.assert_allclose(found, whole[:, 2:4, 1:2, 3:4], rtol=1e-6)
    grown = features(Bins(), x, roi((24, 24, 24), np.s_[9:15, 4:8, 12:13]), margin=2)["mean4"]
    np.testing.assert_allclose(grown, whole[:, 1:5, 0:3, 2:4], rtol=1e-6)


def test_beyond_the_volume_there_is_air():
    found = features(Bins(), np.zeros((1, 8, 8, 8), np.float32), roi((8, 8, 8), np.s_[7:8, 0:1, 0:1]), margin=4)
    assert found["mean4"].shape == (1, 3, 3, 3)
    assert found["mean4"][0, -1, -1, -1] == -7
    assert found["mean4"][0, 1, 1, 1] == 0


def test_an_empty_region_gives_no_map():
    assert features(Bins(), volume((8, 8, 8)), np.zeros((8, 8, 8), bool)) == {}


def test_a_backbone_without_the_map_is_refused():
    with pytest.raises(PluginError, match="needs the feature maps pool3; the backbone Bins publishes mean4"):
        features(Bins(), volume((8, 8, 8)), np.ones((8, 8, 8), bool), names=("pool3",))
