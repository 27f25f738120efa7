"""Tests of pnetkit.inference.predictors: what a network gives has to be numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from pnetkit.errors import PluginError
from pnetkit.inference.predictors import label_predictor, probability_predictor
from pnetkit.interfaces import BackboneOutput
from pnetkit.networks import FiniteLater
from pnetkit.types import BackboneSpec
from tests.cuda_stand_in import CudaStandIn, OnCpuInstead


class Gives(nn.Module):
    """Gives one value everywhere, and another in one voxel of one class."""

    spec = BackboneSpec(in_channels=1, num_classes=4, divisor=(1, 1, 1))

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        logits = torch.zeros(len(x), 4, *x.shape[2:])
        logits[-1, 2, 1, 1, 1] = self.value
        return BackboneOutput(logits)


PATCHES = np.zeros((2, 1, 4, 4, 4), np.float32)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("make", [label_predictor, probability_predictor])
def test_a_single_value_that_is_not_finite_is_an_error(value, make):
    with pytest.raises(PluginError, match=r"The logits of Gives are not finite \(from .* to .*\)\. Its weights"):
        make(Gives(value), device="cpu", precision="fp32")(PATCHES)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_on_a_gpu_a_value_that_is_not_finite_is_an_error_when_all_windows_were_run(value, monkeypatch):
    finite, good = FiniteLater(), Gives(1.0)
    cuda = CudaStandIn(begun=True).install(monkeypatch)  # by the network, which is there already
    with OnCpuInstead(cuda):
        for network in (good, Gives(value), good):
            label_predictor(network, device="cuda:0", precision="fp32", finite=finite)(PATCHES)
        with pytest.raises(PluginError, match=r"The logits of Gives are not finite \(from .* to .*\)\. Its weights"):
            finite.require()
    ends = FiniteLater()
    ends.note(torch.tensor([1.0, -2.0]), "x")
    ends.note(torch.tensor([0.5, 3.0]), "x")
    assert ends.extremes["x"].tolist() == [-2.0, 3.0]
    ends.require()


@pytest.mark.parametrize("make", [label_predictor, probability_predictor])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_windows_are_run_in_tf32_where_it_is_asked_for_and_nowhere_else(make, precision):
    network, seen = Gives(1.0), []
    network.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.allow_tf32))
    make(network, device="cpu", precision=precision)(PATCHES)
    assert seen == [precision == "tf32"]


def test_large_numbers_are_fine():
    labels = label_predictor(Gives(3e38), device="cpu", precision="fp32")(PATCHES)
    assert int(labels[1, 1, 1, 1]) == 2
