"""3D U-Net after Cicek et al. (MICCAI 2016, Fig. 2): channels double before each pooling, skips are concatenated.

The published 19,069,955 parameters are those of three input and three output channels, biases in all convolutions but
none in the up-convolutions, and batch norm's own parameters not counted.
"""

from collections.abc import Collection
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec, FeatureSpec

LEVELS = 4


class UNet3D(nn.Module):
    """3D U-Net: three poolings, doubled convolutions, concatenated skips.

    19,073,860 parameters at the defaults. With `padding` "valid" the answer is smaller than the input (132x132x116
    becomes 44x44x28), as published; the core trains and runs networks that keep the size, so recipes use "same".
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        num_classes: int = 4,
        width: Annotated[int, Field(ge=1, description="Channels of the first convolution.")] = 32,
        padding: Annotated[
            Literal["same", "valid"], Field(description="Keep the size, or shrink it as published.")
        ] = "same",
        norm: Annotated[Literal["batch", "none"], Field(description="Normalization before each ReLU.")] = "batch",
        conv_bias: Annotated[bool, Field(description="Biases in the convolutions.")] = True,
        up_bias: Annotated[bool, Field(description="Biases in the up-convolutions.")] = True,
        up_relu: Annotated[bool, Field(description="ReLU after each up-convolution, as in the released file.")] = False,
    ) -> None:
        super().__init__()
        self._valid = padding == "valid"

        def double(first: int, second: int, third: int) -> nn.Sequential:
            return nn.Sequential(
                *(
                    layer
                    for a, b in ((first, second), (second, third))
                    for layer in _conv(a, b, valid=self._valid, norm=norm == "batch", bias=conv_bias)
                )
            )

        channels = [width * 2**level for level in range(1, LEVELS + 1)]  # after each encoder level
        self.encoder = nn.ModuleList(
            double(in_channels if level == 0 else channels[level - 1], channels[level] // 2, channels[level])
            for level in range(LEVELS)
        )
        self.pool = nn.MaxPool3d(2)
        up_layers, decoder = [], []
        for level in reversed(range(LEVELS - 1)):
            below, own = channels[level + 1], channels[level]
            up = nn.ConvTranspose3d(below, below, 2, stride=2, bias=up_bias)
            up_layers.append(nn.Sequential(up, nn.ReLU(inplace=True)) if up_relu else nn.Sequential(up))
            decoder.append(double(below + own, own, own))
        self.up = nn.ModuleList(up_layers)
        self.decoder = nn.ModuleList(decoder)
        self.head = nn.Conv3d(channels[0], num_classes, 1)
        for module in self.modules():
            if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.spec = BackboneSpec(
            in_channels=in_channels,
            num_classes=num_classes,
            divisor=(1, 1, 1) if self._valid else (8, 8, 8),
            features={} if self._valid else {"pool3": FeatureSpec(channels[2], (8, 8, 8), context_voxels=(14, 14, 14))},
        )

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel, or with valid padding the inner ones."""
        if self._valid:
            for size in x.shape[2:]:
                valid_output(int(size))
        skips: list[Tensor] = []
        y = x
        for level, block in enumerate(self.encoder):
            y = block(y if level == 0 else self.pool(y))
            skips.append(y)
        for up, block, skip in zip(self.up, self.decoder, reversed(skips[:-1]), strict=True):
            y = up(y)
            y = block(torch.cat([_center(skip, y), y], dim=1))
        return BackboneOutput(self.head(y))

    def encode(self, x: Tensor, features: Collection[str]) -> dict[str, Tensor]:
        """Give `pool3`, the map after the third pooling, where it is asked for."""
        unknown = sorted(set(features) - set(self.spec.features))
        if unknown:
            raise KeyError(f"this 3D U-Net publishes {', '.join(self.spec.features) or 'nothing'}, not {unknown[0]}")
        if not features:
            return {}
        y = x
        for block in list(self.encoder)[:-1]:
            y = self.pool(block(y))
        return {"pool3": y}


def valid_output(size: int) -> int:
    """Give the edge that unpadded convolutions leave of an input's edge.

    Raises ValueError naming the nearest sizes that work: 92, 100, 108, ... give 4, 12, 20, ...
    """
    n = size
    for _ in range(LEVELS - 1):
        n -= 4
        if n <= 0 or n % 2:
            raise ValueError(_unfit(size))
        n //= 2
    n -= 4
    for _ in range(LEVELS - 1):
        n = 2 * n - 4
    if n <= 0:
        raise ValueError(_unfit(size))
    return n


def _unfit(size: int) -> str:
    above = max(92, 92 + -(-(size - 92) // 8) * 8)
    near = f"{above - 8} or {above}" if above > 92 else "92"  # noqa: PLR2004
    return f"an edge of {size} voxels does not fit valid padding, which takes 92, 100, 108, …; the nearest is {near}"


def _conv(in_channels: int, out_channels: int, *, valid: bool, norm: bool, bias: bool) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv3d(in_channels, out_channels, 3, padding=0 if valid else 1, bias=bias)]
    if norm:
        layers.append(nn.BatchNorm3d(out_channels))
    return [*layers, nn.ReLU(inplace=True)]


def _center(skip: Tensor, like: Tensor) -> Tensor:
    """Cut the middle of a skip to the size of `like`."""
    cuts = [slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(skip.shape[2:], like.shape[2:], strict=True)]
    return skip[:, :, cuts[0], cuts[1], cuts[2]]
