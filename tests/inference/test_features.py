"""Tests of pnetkit.inference.features: a network's maps of the region of interest."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool3d, conv3d

from pnetkit.errors import PluginError
from pnetkit.inference.features import map_grids, roi_features
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec, FeatureSpec, Grid


class Blocks(nn.Module):
    """Publishes the mean of each 4x4x4 block."""

    def __init__(self):
        super().__init__()
        self.spec = BackboneSpec(
            1, 4, (4, 4, 4), features={"mean4": FeatureSpec(1, (4, 4, 4), context_voxels=(0, 0, 0))}
        )

    def forward(self, x):
        return BackboneOutput(x.expand(len(x), 4, *x.shape[2:]))

    def encode(self, x, features):
        return {name: avg_pool3d(x, 4) for name in features}


class Reaching(Blocks):
    """Looks up to `reach` voxels around each block along each axis, with zero padding where the input ends."""

    def __init__(self, reach, says):
        super().__init__()
        self._reach = reach * np.eye(3, dtype=int)
        self.spec = replace(self.spec, features={"mean4": FeatureSpec(1, (4, 4, 4), context_voxels=says)})

    def encode(self, x, features):
        around = sum(
            conv3d(x, torch.ones(1, 1, *(2 * reach + 1)), padding=tuple(map(int, reach))) for reach in self._reach
        )
        return super().encode(around, features)


def volume(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 4, shape).astype(np.float32)[None]


def roi(shape, box):
    mask = np.zeros(shape, bool)
    mask[box] = True
    return mask


def features(backbone, x, mask, margin=0, names=("mean4",)):
    return roi_features(backbone, x, mask, names=names, margin_voxels=margin, fill=-7.0, device="cpu")


def test_the_region_s_map_is_cut_from_the_lattice_of_the_whole_volume():
    x = volume((24, 24, 24))
    whole = avg_pool3d(torch.from_numpy(x[None]), 4)[0].numpy()
    found = features(Blocks(), x, roi((24, 24, 24), np.s_[9:15, 4:8, 12:13]))["mean4"]
    np.testing.assert_allclose(found, whole[:, 2:4, 1:2, 3:4], rtol=1e-6)
    grown = features(Blocks(), x, roi((24, 24, 24), np.s_[9:15, 4:8, 12:13]), margin=2)["mean4"]
    np.testing.assert_allclose(grown, whole[:, 1:5, 0:3, 2:4], rtol=1e-6)


@pytest.mark.parametrize(
    ("reach", "says"),
    [(16, (16, 16, 16)), (29, (29, 29, 29)), (16, None), ((3, 9, 22), (3, 9, 22))],
    ids=["as pool3", "farther", "unbounded", "not alike along the axes"],
)
def test_the_region_s_map_is_that_of_a_network_that_has_seen_what_lies_around(reach, says):
    shape = (80, 84, 76)
    x, network = volume(shape), Reaching(reach, says)
    whole = network.encode(torch.from_numpy(x[None]), ("mean4",))["mean4"][0].numpy()
    found = features(network, x, roi(shape, np.s_[33:40, 32:34, 36:44]))["mean4"]
    np.testing.assert_allclose(found, whole[:, 8:10, 8:9, 9:11], rtol=1e-6)


def test_maps_are_made_in_single_precision():
    class Notes(Blocks):
        def encode(self, x, features):
            seen.append(torch.backends.cudnn.allow_tf32)
            return super().encode(x, features)

    seen = []
    features(Notes(), volume((8, 8, 8)), np.ones((8, 8, 8), bool))
    assert seen == [False]


def test_beyond_the_volume_there_is_air():
    found = features(Blocks(), np.zeros((1, 8, 8, 8), np.float32), roi((8, 8, 8), np.s_[7:8, 0:1, 0:1]), margin=4)
    assert found["mean4"].shape == (1, 3, 3, 3)
    assert found["mean4"][0, -1, -1, -1] == -7
    assert found["mean4"][0, 1, 1, 1] == 0


@pytest.mark.parametrize("margin", [0, 3])
def test_a_map_s_grid_says_where_its_cells_lie_in_the_patient(margin):
    shape, axes = (32, 24, 24), np.array([[0.0, -0.5, 0, 100], [2.0, 0, 0, -7], [0, 0, 3.0, 5], [0, 0, 0, 1]])
    mask = roi(shape, np.s_[9:15, 4:8, 12:13])
    voxels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).astype(np.float32)
    world = np.einsum("ij,jxyz->ixyz", axes[:3, :3], voxels) + axes[:3, 3].reshape(3, 1, 1, 1)
    found = map_grids(Blocks().spec, Grid(shape, axes), mask, names=("mean4",), margin_voxels=margin)["mean4"]
    cells = np.stack(np.meshgrid(*map(np.arange, found.shape), indexing="ij")).reshape(3, -1)
    centers = found.affine[:3, :3] @ cells + found.affine[:3, 3:]
    for along, wanted in zip(world, centers, strict=True):  # a mean of coordinates is the center's coordinate
        mean = features(Blocks(), along[None].astype(np.float32), mask, margin)["mean4"]
        np.testing.assert_allclose(mean.reshape(-1), wanted, rtol=1e-5)


def test_the_grid_of_a_map_that_begins_at_voxel_8_by_hand():
    found = map_grids(
        Blocks().spec, Grid((24, 24, 24), np.eye(4)), roi((24,) * 3, np.s_[9:15, 4:8, 12:13]), names=("mean4",),
        margin_voxels=0,
    )["mean4"]  # fmt: skip
    assert found.shape == (2, 1, 1)
    assert found.affine.tolist() == [[4, 0, 0, 9.5], [0, 4, 0, 5.5], [0, 0, 4, 13.5], [0, 0, 0, 1]]


def test_an_empty_region_gives_no_map():
    assert map_grids(Blocks().spec, Grid((8,) * 3, np.eye(4)), np.zeros((8,) * 3, bool), names=("mean4",),
                     margin_voxels=0) == {}  # fmt: skip
    assert features(Blocks(), volume((8, 8, 8)), np.zeros((8, 8, 8), bool)) == {}


def test_a_backbone_without_the_map_is_refused():
    with pytest.raises(PluginError, match="needs the feature maps pool3; the backbone Blocks publishes mean4"):
        features(Blocks(), volume((8, 8, 8)), np.ones((8, 8, 8), bool), names=("pool3",))
