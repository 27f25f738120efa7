"""Tests of pnetkit.inference.averaging, against MONAI and by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from pnetkit.acceleration import accelerated
from pnetkit.inference.averaging import gaussian_weights, mean_labels
from pnetkit.inference.predictors import probability_predictor
from pnetkit.inference.search import Settings
from pnetkit.inference.segment import segment
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec, Grid


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.spec = BackboneSpec(1, 4, (1, 1, 1))
        self.conv = nn.Conv3d(1, 4, 3, padding=1)

    def forward(self, x):
        return BackboneOutput(self.conv(x) * 4)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize(("weights", "mode"), [("uniform", "constant"), ("gaussian", "gaussian")])
def test_the_mean_probability_of_overlapping_windows_is_monai_s(batch_size, weights, mode):
    from monai.inferers import sliding_window_inference  # slow to import

    torch.manual_seed(0)
    net = Net().eval()
    x = np.random.default_rng(0).standard_normal((1, 16, 24, 12), dtype=np.float32)
    with torch.inference_mode():
        expected = sliding_window_inference(
            torch.from_numpy(x[None]), (8, 8, 4), 2, lambda patch: net(patch).logits.softmax(1), overlap=0.5, mode=mode
        )[0]
    how = {"fill": 0.0, "device": "cpu", "precision": "fp32", "combine": "mean-softmax", "window_weights": weights}
    settings = Settings((8, 8, 4), (4, 4, 2), batch_size, **how)
    found = segment(
        accelerated(net, device="cpu", precision="fp32"), x, Grid((16, 24, 12), np.eye(4)), settings
    ).segmentation
    assert np.array_equal(found.labels, expected.argmax(0).numpy())
    assert len(np.unique(found.labels)) == 4
    assert found.votes is None


@pytest.mark.slow
def test_the_mean_logit_of_overlapping_windows_is_monai_s():
    from monai.inferers import sliding_window_inference  # slow to import

    torch.manual_seed(0)
    net = Net().eval()
    x = np.random.default_rng(0).standard_normal((1, 16, 24, 12), dtype=np.float32)
    with torch.inference_mode():
        mean = sliding_window_inference(torch.from_numpy(x[None]), (8, 8, 4), 2, lambda patch: net(patch).logits, 0.5)[
            0
        ]
    settings = Settings((8, 8, 4), (4, 4, 2), 5, fill=0.0, device="cpu", precision="fp32", combine="mean-logits")
    found = segment(net, x, Grid((16, 24, 12), np.eye(4)), settings).segmentation
    assert np.array_equal(found.labels, mean.argmax(0).numpy())
    softmax = segment(net, x, Grid((16, 24, 12), np.eye(4)), replace(settings, combine="mean-softmax")).segmentation
    assert not np.array_equal(found.labels, softmax.labels)
    kept = segment(net, x, Grid((16, 24, 12), np.eye(4)), replace(settings, keep_shares=True))
    assert np.array_equal(kept.segmentation.labels, found.labels)
    assert np.allclose(kept.shares, mean.softmax(0).numpy(), atol=1e-5)


@pytest.mark.slow
def test_the_weights_of_a_window_are_monai_s_and_fall_to_a_thousandth():
    from monai.data.utils import compute_importance_map  # slow to import

    for window in [(8, 8, 4), (16, 9, 12)]:
        weights = gaussian_weights(window)
        theirs = compute_importance_map(window, mode="gaussian", sigma_scale=0.125, dtype=torch.float64)
        assert np.allclose(weights, theirs.numpy(), atol=1e-12)
    assert weights[0, 0, 0] == 1e-3
    assert weights[7, 4, 5] > 0.8


def test_with_a_center_the_bell_is_highest_there_and_falls_as_nnu_net_s():
    """Theirs: scipy's filter of a single voxel at n // 2, times 10, in half precision, never 0."""
    tmp = np.zeros((12, 24, 8))
    tmp[6, 12, 4] = 1
    theirs = gaussian_filter(tmp, (1.5, 3, 1), mode="constant", cval=0)
    theirs = (theirs / theirs.max() * 10).astype(np.float16)
    theirs[theirs == 0] = theirs[theirs > 0].min()
    found = gaussian_weights((12, 24, 8), (6, 12, 4))
    assert found[6, 12, 4] == 1
    assert np.abs(found * 10 - theirs).max() < 5e-3  # half precision near 10
    assert found.min() == theirs.astype(float).min() / 10


def test_a_weighed_mean_follows_the_window_that_sees_a_voxel_in_its_middle():
    """Windows of 8 at 0 and 4, one of which is sure of class 1 and one as sure of class 0: each has its own half."""
    answers = iter([[0.2, 0.8], [0.8, 0.2]])

    def predict(patches):
        return np.stack([np.broadcast_to(np.array(next(answers), np.float32)[:, None, None, None], (2, 8, 1, 1))
                         for _ in patches])  # fmt: skip

    volume, how = np.zeros((1, 12, 1, 1), np.float32), {"num_classes": 2, "window": (8, 1, 1), "stride": (4, 1, 1)}
    labels = mean_labels(predict, volume, **how, batch_size=1, fill=0.0, weights="gaussian")
    assert labels[:, 0, 0].tolist() == [1] * 6 + [0] * 6


def test_one_sure_window_outweighs_two_unsure_ones_where_a_vote_would_not():
    probabilities = iter([[0.1, 0.9], [0.55, 0.45], [0.55, 0.45]])

    def predict(patches):
        return np.stack([np.broadcast_to(np.array(next(probabilities), np.float32)[:, None, None, None], (2, 3, 1, 1))
                         for _ in patches])  # fmt: skip

    labels = mean_labels(
        predict, np.zeros((1, 5, 1, 1), np.float32), num_classes=2, window=(3, 1, 1), stride=(1, 1, 1), batch_size=1,
        fill=0.0,
    )  # fmt: skip
    assert labels[:, 0, 0].tolist() == [1, 1, 1, 0, 0]


def test_probabilities_sum_to_one():
    found = probability_predictor(accelerated(Net(), device="cpu", precision="bf16"), device="cpu", precision="bf16")(
        np.ones((2, 1, 4, 4, 4), np.float32)
    )
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
