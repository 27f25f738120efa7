"""A network of a few weights, and cases it can learn from."""

import numpy as np
import pytest
import torch
from torch import nn

from pnetkit.imaging.intensity import Intensity
from pnetkit.interfaces import BackboneOutput
from pnetkit.training.sampling import Sampling, TrainingCase, foreground_indices
from pnetkit.types import AuxHead, BackboneSpec
from tests.benchmarks.plans import paper_plan


class TinyNet(nn.Module):
    """Two convolutions, batch norm, dropout and an auxiliary head: all that a checkpoint has to carry."""

    def __init__(self, in_channels=1, num_classes=4, aux=True):
        super().__init__()
        self.spec = BackboneSpec(
            in_channels, num_classes, (2, 2, 2), aux_heads=(AuxHead("aux", 0.5),) if aux else (), loss_weight=1.0
        )
        self.body = nn.Conv3d(in_channels, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm3d(4)
        self.dropout = nn.Dropout3d(0.2)
        self.head = nn.Conv3d(4, num_classes, 1)
        self.aux = nn.Conv3d(4, num_classes, 1) if aux else None

    def forward(self, x):
        y = self.dropout(torch.relu(self.norm(self.body(x))))
        aux = (self.aux(y),) if self.training and self.aux is not None else ()
        return BackboneOutput(self.head(y), aux)


@pytest.fixture
def tiny_net():
    def build(**options):
        torch.manual_seed(0)
        return TinyNet(**options)

    return build


def make_case(index, shape=(12, 14, 10), abnormal=True):
    rng = np.random.default_rng(index)
    labels = np.zeros(shape, np.uint8)
    labels[4:9, 4:9, 3:7] = 1
    if abnormal:
        labels[5:7, 5:7, 4:6] = 2
    hu = (labels * 80 + rng.normal(0, 5, shape)).astype(np.int16)
    foreground, lesion = foreground_indices(labels)
    return TrainingCase(
        f"P{index}", hu[None], labels, foreground, lesion, (Intensity(-100.0, 240.0, 20.0, 50.0),), abnormal
    )


@pytest.fixture
def cases():
    return [make_case(0), make_case(1, abnormal=False), make_case(2)]


@pytest.fixture
def plan():
    def build(**changes):
        settings = {
            "iterations": 12,
            "sampling": Sampling((8, 8, 8), 2, 0.5, 0.5, "uniform"),
            "learning_rate": 0.05,
            "checkpoint_every": 5,
        }
        return paper_plan(**(settings | changes))

    return build
