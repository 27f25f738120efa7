"""The S4C network: a 3D encoder-decoder with summed long residuals and deep supervision.

Reconstructed from the paper's text (Section 3.1, Fig. 1) and from its ancestor 3D-DSN (Dou et al., MedIA 2017; layer
table, attachment of the auxiliary heads and initialization in HeartSeg's `3D-DSN/train.prototxt`). What the paper
leaves open is a parameter here.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d

from pnetkit.interfaces import BackboneOutput
from pnetkit.types import AuxHead, BackboneSpec, FeatureSpec

AuxStyle = Literal["deconv", "trilinear", "none"]
LossScale = Literal["main", "raw", "sum"]

LOSS_WEIGHTS: Mapping[str, tuple[float, float, float]] = {
    "main": (1.0, 0.2, 0.4),
    "raw": (5.0, 1.0, 2.0),
    "sum": (0.625, 0.125, 0.25),
}
"""Weights of main, aux 1 and aux 2: the paper gives the ratio 5:1:2, not the scale. `raw` is the Caffe ancestor's."""


class S4C(nn.Module):
    """The paper's network: encoder-decoder with summed skips and two auxiliary heads.

    7,607,212 parameters with the auxiliary heads at the defaults, 6,820,516 without. Publishes `pool3` (128 channels,
    stride 8), on which the paper's classification network works, `conv4b` (256), and `class_shares`: the mean
    probability of each class in cells of 8 x 8 x 8 voxels.
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        num_classes: int = 4,
        width: Annotated[int, Field(ge=1, description="Channels of the first level; each level doubles them.")] = 32,
        skip: Annotated[
            Literal["sum", "concat"], Field(description="How encoder maps enter the decoder; the paper sums.")
        ] = "sum",
        decoder_order: Annotated[
            Literal["sum_conv", "conv_sum"],
            Field(description="Skip before the decoder's convolutions, or after them (as in the group's VFN)."),
        ] = "sum_conv",
        decoder_convs: Annotated[int, Field(ge=0, le=2, description="Convolutions of each decoder step.")] = 1,
        deconv_norm: Annotated[bool, Field(description="Batch norm and ReLU after each deconvolution.")] = True,
        aux: Annotated[AuxStyle, Field(description="Auxiliary heads: learned, interpolated, or none.")] = "deconv",
        loss_scale: Annotated[LossScale, Field(description="Scale of the loss weights 5:1:2.")] = "main",
        batch_norm_momentum: Annotated[float, Field(gt=0, le=1, description="Share of the newest batch.")] = 0.1,
        init: Annotated[
            Literal["kaiming", "gaussian"], Field(description="Kaiming (fan-out), or the ancestor's normal of 0.01.")
        ] = "kaiming",
    ) -> None:
        super().__init__()
        if skip == "concat" and (decoder_convs == 0 or decoder_order == "conv_sum"):
            raise ValueError("skip 'concat' needs decoder_order 'sum_conv' and a decoder convolution to merge the maps")
        self._skip, self._order = skip, decoder_order
        momentum = batch_norm_momentum
        one, two, three, four = (width * 2**level for level in range(4))
        self.conv1a = _conv(in_channels, one, momentum)
        self.conv2a, self.conv2b = _conv(one, two, momentum), _conv(two, two, momentum)
        self.conv3a, self.conv3b = _conv(two, three, momentum), _conv(three, three, momentum)
        self.conv4a, self.conv4b = _conv(three, four, momentum), _conv(four, four, momentum)
        self.pool = nn.MaxPool3d(2)
        self.deconv3a = _deconv(four, three, momentum, norm=deconv_norm)
        self.deconv2a = _deconv(three, two, momentum, norm=deconv_norm)
        self.deconv1a = _deconv(two, one, momentum, norm=deconv_norm)
        doubled = 2 if skip == "concat" else 1
        self.res_conv3b = _convs(doubled * three, three, decoder_convs, momentum)
        self.res_conv2b = _convs(doubled * two, two, decoder_convs, momentum)
        self.res_conv1b = _convs(doubled * one, one, decoder_convs, momentum)
        self.score_main = nn.Conv3d(one, num_classes, 1)
        self.aux1, self.aux2 = _aux_heads(aux, one, num_classes)
        _initialize(self, init)
        main, first, second = LOSS_WEIGHTS[loss_scale]
        self.spec = BackboneSpec(
            in_channels=in_channels,
            num_classes=num_classes,
            divisor=(8, 8, 8),
            features={
                "pool3": FeatureSpec(three, (8, 8, 8), context_voxels=(13, 13, 13)),
                "conv4b": FeatureSpec(four, (8, 8, 8), context_voxels=(29, 29, 29)),
                "class_shares": FeatureSpec(
                    num_classes, (8, 8, 8), aligned=True, context_voxels=(37 + 8 * decoder_convs,) * 3
                ),
            },
            aux_heads=() if aux == "none" else (AuxHead("aux1", first), AuxHead("aux2", second)),
            loss_weight=main,
        )

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel; auxiliary scores in training mode only."""
        return self.decode(*self.levels(x))

    def levels(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give the encoder's maps that the decoder merges again, at strides 1, 2 and 4."""
        first = self.conv1a(x)
        second = self.conv2b(self.conv2a(self.pool(first)))
        return first, second, self.conv3b(self.conv3a(self.pool(second)))

    def decode(self, first: Tensor, second: Tensor, third: Tensor) -> BackboneOutput:
        """Score every voxel from the maps that `levels` gave."""
        y = self.conv4b(self.conv4a(self.pool(third)))
        y = self._step(self.deconv3a(y), third, self.res_conv3b)
        y = self._step(self.deconv2a(y), second, self.res_conv2b)
        y = self._step(self.deconv1a(y), first, self.res_conv1b)
        logits = self.score_main(y)
        if not self.training or self.aux1 is None or self.aux2 is None:
            return BackboneOutput(logits)
        return BackboneOutput(logits, (self.aux1(second), self.aux2(third)))

    def encode(self, x: Tensor, features: Collection[str]) -> dict[str, Tensor]:
        """Give the named maps; the encoder runs only as deep as they need."""
        unknown = sorted(set(features) - set(self.spec.features))
        if unknown:
            raise KeyError(f"S4C publishes {', '.join(self.spec.features)}, not {', '.join(unknown)}")
        if not features:
            return {}
        levels = self.levels(x)
        maps = {"pool3": self.pool(levels[2])}
        if "class_shares" in features:
            maps["class_shares"] = avg_pool3d(self.decode(*levels).logits.softmax(dim=1), 8)
        if "conv4b" in features:
            maps["conv4b"] = self.conv4b(self.conv4a(maps["pool3"]))
        return {name: maps[name] for name in features}

    def _step(self, up: Tensor, skip: Tensor, convs: nn.Module) -> Tensor:
        """Do one decoder step: merge the upsampled map with the encoder's, and convolve."""
        if self._skip == "concat":
            return torch.as_tensor(convs(torch.cat([up, skip], dim=1)))
        if self._order == "sum_conv":
            return torch.as_tensor(convs(up + skip))
        return torch.as_tensor(convs(up) + skip)


def _conv(in_channels: int, out_channels: int, momentum: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(in_channels, out_channels, 3, padding=1, bias=False),  # a bias before batch norm is dead weight
        nn.BatchNorm3d(out_channels, momentum=momentum),
        nn.ReLU(inplace=True),
    )


def _convs(in_channels: int, out_channels: int, count: int, momentum: float) -> nn.Sequential:
    return nn.Sequential(
        *(_conv(in_channels if i == 0 else out_channels, out_channels, momentum) for i in range(count))
    )


def _deconv(in_channels: int, out_channels: int, momentum: float, *, norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.ConvTranspose3d(in_channels, out_channels, 4, stride=2, padding=1, bias=not norm)]
    if norm:
        layers += [nn.BatchNorm3d(out_channels, momentum=momentum), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _aux_heads(style: AuxStyle, width: int, num_classes: int) -> tuple[nn.Sequential | None, nn.Sequential | None]:
    """Make the heads on Conv2b and Conv3b: deconvolutions without norm or ReLU, then 1x1x1 (3D-DSN)."""
    if style == "none":
        return None, None
    if style == "trilinear":
        return tuple(  # type: ignore[return-value]
            nn.Sequential(
                nn.Conv3d(2**level * width, num_classes, 1),
                nn.Upsample(scale_factor=2**level, mode="trilinear", align_corners=False),
            )
            for level in (1, 2)
        )

    def up(channels: int) -> nn.ConvTranspose3d:
        return nn.ConvTranspose3d(channels, channels // 2, 4, stride=2, padding=1, bias=False)

    first = nn.Sequential(up(2 * width), nn.Conv3d(width, num_classes, 1))
    second = nn.Sequential(up(4 * width), up(2 * width), nn.Conv3d(width, num_classes, 1))
    return first, second


def _initialize(network: nn.Module, init: str) -> None:
    for module in network.modules():
        if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
            if init == "kaiming":
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            else:
                nn.init.normal_(module.weight, std=0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
