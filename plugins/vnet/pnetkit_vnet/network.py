"""V-Net after Milletari et al. (3DV 2016): residual stages of 5x5x5 convolutions, strided convolutions for pooling.

Three topologies go by this name: the paper's figure, the authors' released Caffe file (fewer convolutions, a 5x5x5
head), and the one that vnet.pytorch and MONAI share (fewer still). They differ in the convolutions of each stage.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec

Norm = Literal["batch", "none"]
Activation = Literal["prelu", "elu"]

_DEEP_DOWN, _DEEP_UP = (2, 3), (0, 1)  # the stages in which MONAI drops features, beside the skips


@dataclass(frozen=True, slots=True)
class Topology:
    """Count the convolutions of each stage, and name what else differs.

    `acts_before_sum`: the last convolution of a stage is activated before the residual is added. `conv_bias`: the 5x5x5
    and the down convolutions have biases. `wide_head`: the head is 5x5x5, activation, 1x1x1.
    """

    down: tuple[int, int, int, int, int]
    up: tuple[int, int, int, int]
    acts_before_sum: bool
    conv_bias: bool
    wide_head: bool
    norm: Norm
    act: Activation


TOPOLOGIES: Mapping[str, Topology] = {
    "paper": Topology((1, 2, 3, 3, 3), (3, 3, 2, 1), False, True, False, "batch", "prelu"),
    "caffe": Topology((1, 1, 2, 3, 3), (3, 2, 1, 1), False, True, True, "none", "prelu"),
    "monai": Topology((1, 1, 2, 3, 2), (2, 2, 1, 1), True, False, True, "batch", "elu"),
}
"""The paper's figure; faustomilletari/VNet's prototxt; MONAI's VNet (which is vnet.pytorch's)."""


class VNet(nn.Module):
    """V-Net: the paper's figure, the released Caffe file, or MONAI's topology.

    At four classes: 65,175,380 parameters for `paper` without batch norm (65,182,292 with it, the default: SGD with
    cross-entropy is unstable without), 61,990,700 for `caffe`, 45,605,916 for `monai`, which gives the output of
    MONAI's VNet when given its weights.
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        num_classes: int = 4,
        variant: Annotated[Literal["paper", "caffe", "monai"], Field(description="Which V-Net.")] = "paper",
        width: Annotated[int, Field(ge=1, description="Channels of the first stage.")] = 16,
        norm: Annotated[
            Norm | None, Field(description="Normalization after each convolution; null for the variant's own.")
        ] = None,
        act: Annotated[Activation | None, Field(description="Activation; null for the variant's own.")] = None,
        dropout: Annotated[
            float, Field(ge=0, lt=1, description="Dropout of skips and deep stages, 0.5 in MONAI; 0 in the paper.")
        ] = 0.0,
    ) -> None:
        super().__init__()
        if width % in_channels:
            raise ValueError(
                f"V-Net adds copies of the input to its first {width} channels, so width has to be a multiple of "
                f"in_channels {in_channels}"
            )
        topology = TOPOLOGIES[variant]
        style = _Style(norm or topology.norm, act or topology.act, topology.conv_bias, topology.acts_before_sum)
        widths = [width * 2**level for level in range(5)]
        self._copies = width // in_channels
        self.first = _Residual(in_channels, width, topology.down[0], style)
        self.down = nn.ModuleList(
            _Down(widths[i], widths[i + 1], topology.down[i + 1], style, dropout if i in _DEEP_DOWN else 0.0)
            for i in range(4)
        )
        # Each upward stage is as wide as its skip plus as many channels from below; the first keeps the lowest width.
        up_widths = [widths[4], widths[3], widths[2], widths[1]]
        below = [widths[4], *up_widths[:-1]]
        self.up = nn.ModuleList(
            _Up(below[i], up_widths[i], topology.up[i], style, dropout, dropout if i in _DEEP_UP else 0.0)
            for i in range(4)
        )
        self.head = _head(up_widths[-1], num_classes, style, wide=topology.wide_head)
        self.spec = BackboneSpec(in_channels=in_channels, num_classes=num_classes, divisor=(16, 16, 16))

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel."""
        y = self.first(x, x.repeat(1, self._copies, 1, 1, 1))
        skips = []
        for down in self.down:
            skips.append(y)
            y = down(y)
        for up, skip in zip(self.up, reversed(skips), strict=True):
            y = up(y, skip)
        return BackboneOutput(self.head(y))


@dataclass(frozen=True, slots=True)
class _Style:
    """What all convolutions of a network share."""

    norm: Norm
    act: Activation
    conv_bias: bool
    acts_before_sum: bool

    def after(self, channels: int) -> list[nn.Module]:
        """Give the normalization that follows a convolution."""
        return [nn.BatchNorm3d(channels)] if self.norm == "batch" else []

    def activation(self, channels: int) -> nn.Module:
        """Give a new activation; PReLU has one slope for each channel."""
        return nn.PReLU(channels) if self.act == "prelu" else nn.ELU()


class _Residual(nn.Module):
    """A stage of 5x5x5 convolutions whose input is added before the last activation."""

    def __init__(self, in_channels: int, channels: int, convs: int, style: _Style) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(convs):
            layers.append(nn.Conv3d(in_channels if i == 0 else channels, channels, 5, padding=2, bias=style.conv_bias))
            layers += style.after(channels)
            if i < convs - 1 or (style.acts_before_sum and in_channels == channels):
                layers.append(style.activation(channels))
        self.convs = nn.Sequential(*layers)
        self.act = style.activation(channels)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return torch.as_tensor(self.act(self.convs(x) + residual))


class _Down(nn.Module):
    """Halve the grid with a 2x2x2 convolution of stride 2, then a residual stage."""

    def __init__(self, in_channels: int, channels: int, convs: int, style: _Style, dropout: float) -> None:
        super().__init__()
        conv = nn.Conv3d(in_channels, channels, 2, stride=2, bias=style.conv_bias)
        self.down = nn.Sequential(conv, *style.after(channels), style.activation(channels))
        self.dropout = nn.Dropout3d(dropout)
        self.stage = _Residual(channels, channels, convs, style)

    def forward(self, x: Tensor) -> Tensor:
        y = self.down(x)
        return torch.as_tensor(self.stage(self.dropout(y), y))


class _Up(nn.Module):
    """Double the grid with a 2x2x2 deconvolution, concatenate the skip, then a residual stage."""

    def __init__(
        self, below: int, channels: int, convs: int, style: _Style, skip_dropout: float, dropout: float
    ) -> None:
        super().__init__()
        half = channels // 2
        conv = nn.ConvTranspose3d(below, half, 2, stride=2)
        self.up = nn.Sequential(conv, *style.after(half), style.activation(half))
        self.dropout, self.skip_dropout = nn.Dropout3d(dropout), nn.Dropout3d(skip_dropout)
        self.stage = _Residual(channels, channels, convs, style)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        below = self.dropout(x)  # before the skip's: in MONAI's order, so that one seed drops the same features
        y = torch.cat([self.up(below), self.skip_dropout(skip)], dim=1)
        return torch.as_tensor(self.stage(y, y))


def _head(channels: int, num_classes: int, style: _Style, *, wide: bool) -> nn.Sequential:
    if not wide:
        return nn.Sequential(nn.Conv3d(channels, num_classes, 1))
    conv = nn.Conv3d(channels, num_classes, 5, padding=2, bias=style.conv_bias)
    last = nn.Conv3d(num_classes, num_classes, 1)
    return nn.Sequential(conv, *style.after(num_classes), style.activation(num_classes), last)
