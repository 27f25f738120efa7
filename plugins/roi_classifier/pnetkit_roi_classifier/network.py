"""The classification network (the paper, Section 3.4, Fig. 2), which works on a feature map of any size.

Stated: input is the 128-channel Pool3 map of the region, batch of one, group normalization after each convolution.
Inferred, because the figure's layers are not at hand: two 3x3x3 convolutions with a pooling between them, a global
average and one linear layer. The training time the paper gives bounds it to a small network.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Head = Literal["avg", "max", "avgmax"]


class ClassificationNet(nn.Module):
    """Convolutions with group norm and ReLU, poolings between them, a global pooling, a linear layer to two classes.

    885,506 parameters for 128 input channels at the defaults.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Sequence[int] = (128, 128),
        groups: int = 32,
        head: Head = "avg",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(zip((in_channels, *channels[:-1]), channels, strict=True)):
            if i:
                layers.append(nn.MaxPool3d(2, ceil_mode=True))  # ceil: an edge of one voxel survives
            layers += [nn.Conv3d(before, after, 3, padding=1, bias=False), nn.GroupNorm(groups, after), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head: Head = head
        self.dropout = nn.Dropout(dropout)
        self.score = nn.Linear(channels[-1] * (2 if head == "avgmax" else 1), 2)

    def forward(self, x: Tensor) -> Tensor:
        """Give the two logits (batch, 2), normal and abnormal, of maps (batch, channel, x, y, z)."""
        y = self.body(x).flatten(2)
        pooled = {"avg": lambda: y.mean(2), "max": lambda: y.amax(2)}
        parts = [pooled[name]() for name in (("avg", "max") if self.head == "avgmax" else (self.head,))]
        return torch.as_tensor(self.score(self.dropout(torch.cat(parts, dim=1))))
