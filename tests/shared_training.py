"""A network and cases that every process of a shared training can build for itself."""

import os
import signal
from functools import partial

import numpy as np
import torch
from torch import nn

from pnetkit.imaging.intensity import Intensity
from pnetkit.interfaces import BackboneOutput
from pnetkit.networks import build_seeded
from pnetkit.training.group import Helpers
from pnetkit.training.loop import train
from pnetkit.training.plan import TrainingPlan
from pnetkit.training.sampling import Sampling, TrainingCase, foreground_indices
from pnetkit.types import AuxHead, BackboneSpec


class TwoNorms(nn.Module):
    """Two batch norms of their own momentum, dropout, a head beside the main one: all that parts could disagree in."""

    def __init__(self, rate=0.3):
        super().__init__()
        self.spec = BackboneSpec(1, 4, (2, 2, 2), aux_heads=(AuxHead("aux", 0.5),), loss_weight=1.0)
        self.first = nn.Conv3d(1, 4, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm3d(4, momentum=0.03)
        self.second = nn.Conv3d(4, 6, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm3d(6)
        self.dropout = nn.Dropout3d(rate)
        self.head, self.aux = nn.Conv3d(6, 4, 1), nn.Conv3d(4, 4, 1)

    def forward(self, x):
        y = torch.relu(self.first_norm(self.first(x)))
        z = self.dropout(torch.relu(self.second_norm(self.second(y))))
        return BackboneOutput(self.head(z), (self.aux(y),) if self.training else ())


class InGroups(TwoNorms):
    """The same layers in two groups, as gradient checkpointing asks for."""

    def __init__(self):
        super().__init__()
        self.one = nn.Sequential(self.first, self.first_norm, nn.ReLU())
        self.two = nn.Sequential(self.second, self.second_norm, nn.ReLU(), self.dropout)

    def forward(self, x):
        y = self.one(x)
        return BackboneOutput(self.head(self.two(y)), (self.aux(y),) if self.training else ())


class Counting(TwoNorms):
    """Keeps a buffer that each pass moves: the second part of a batch needs the first."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen += x.mean()
        return super().forward(x)


class Synchronized(TwoNorms):
    def __init__(self):
        super().__init__()
        self.second_norm = nn.SyncBatchNorm(6)


class Fragile(TwoNorms):
    """Breaks, or dies, at its third pass in a process that helps."""

    def __init__(self, parent, dies):
        super().__init__()
        self.passes, self.parent, self.dies = 0, parent, dies

    def forward(self, x):
        self.passes += 1
        if self.passes == 3 and os.getpid() != self.parent:
            if self.dies:
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("a fault of the network")
        return super().forward(x)


class Noting(TwoNorms):
    """Says by an empty file in which processes it is."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def forward(self, x):
        (self.folder / str(os.getpid())).touch()
        return super().forward(x)


def lead(folder):
    """Lead a training of two processes that does not end for long."""
    sampling = Sampling((8, 8, 8), 2, 0.5, 0.5, "uniform", accumulation=2)
    plan = TrainingPlan(10**6, sampling, "none", False, 0.1, 0.9, 0.9, 0.0, False, 2, None, None, "fp32", 10**6)
    opening = partial(opened, Noting, folder)
    network, cases = opening()
    how = {"seed": 0, "device": "cpu", "checkpoint": folder / "none", "report": lambda *_: None, "maker": {}}
    train(network, cases, plan, **how, helpers=Helpers(("cpu",), opening))


def make_case(index, shape=(12, 14, 10)):
    rng = np.random.default_rng(index)
    labels = np.zeros(shape, np.uint8)
    labels[4:9, 4:9, 3:7] = 1
    labels[5:7, 5:7, 4:6] = 2
    hu = (labels * 80 + rng.normal(0, 5, shape)).astype(np.int16)
    return TrainingCase(
        f"P{index}", hu[None], labels, *foreground_indices(labels), (Intensity(-100.0, 240.0, 20.0, 50.0),), True
    )


def opened(kind, *arguments):
    """Give a network of a kind and the cases, the same in every process."""
    return build_seeded(lambda: kind(*arguments), 1), [make_case(0), make_case(1), make_case(2)]


def refused():
    raise MemoryError("no room for the cases")
