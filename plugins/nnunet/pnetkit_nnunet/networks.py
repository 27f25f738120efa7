"""PlainConvUNet and ResidualEncoderUNet of dynamic-network-architectures, with nnU-Net's settings.

nnU-Net gives side outputs at their own size and shrinks the labels to them; a backbone's outputs lie on the input's
grid, so side outputs are interpolated here. Their weights are nnU-Net's: halved at each level, none for the last.
"""

import math
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from pnetkit.interfaces import BackboneOutput
from pnetkit.types import AuxHead, BackboneSpec, FeatureSpec, Triple

Levels = Annotated[int, Field(ge=3, le=7, description="Resolutions; each level halves the one above.")]
Width = Annotated[int, Field(ge=1, description="Channels of the first level; each level doubles them, up to 320.")]
Supervised = Annotated[bool, Field(description="Side outputs of every decoder level in training.")]
MOST_CHANNELS = 320

USUAL_TRAINING: Mapping[str, Any] = MappingProxyType(
    {
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "momentum": 0.99,
        "nesterov": True,
        "weight_decay": 3e-5,
        "schedule": "poly",
        "gradient_clip": 12.0,
        "loss": "dice-cross-entropy",
        "augmentation": "strong",
    }
)
"""What nnU-Net trains its networks with."""


class PlainConvUNet(nn.Module):
    """The network of nnU-Net (Isensee et al. 2021): two convolutions a level, instance norm, leaky ReLU.

    Publishes the encoder's maps as `stage0` to the last.
    """

    usual_training = USUAL_TRAINING

    def __init__(
        self,
        *,
        in_channels: int = 1,
        num_classes: int = 4,
        width: Width = 32,
        levels: Levels = 5,
        convolutions: Annotated[int, Field(ge=1, description="Convolutions of each level, up and down.")] = 2,
        deep_supervision: Supervised = True,
    ) -> None:
        super().__init__()
        self.network: Any = _networks().PlainConvUNet(
            **_shared(in_channels, num_classes, width, levels, deep_supervision),
            n_conv_per_stage=(convolutions,) * levels,
            n_conv_per_stage_decoder=(convolutions,) * (levels - 1),
        )
        self.spec = _spec(in_channels, num_classes, width, levels, deep_supervision)
        self.deviations = _deviations(deep_supervision)

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel; in training also from the side outputs."""
        return _forward(self.network, self.spec, x, training=self.training)

    def encode(self, x: Tensor, features: Collection[str]) -> dict[str, Tensor]:
        """Give the named stages; the encoder runs only as deep as they need, and the decoder not at all."""
        return _encode(self.network.encoder, self.spec, x, features)


class ResidualEncoderUNet(nn.Module):
    """The residual network of nnU-Net (Isensee et al. 2024, "ResEnc"): residual blocks down, one convolution up.

    Publishes the encoder's maps as `stage0` to the last.
    """

    usual_training = USUAL_TRAINING

    def __init__(
        self,
        *,
        in_channels: int = 1,
        num_classes: int = 4,
        width: Width = 32,
        levels: Levels = 5,
        blocks: Annotated[
            tuple[Annotated[int, Field(ge=1)], ...], Field(description="Blocks of each level; the last is repeated.")
        ] = (1, 3, 4, 6),
        deep_supervision: Supervised = True,
    ) -> None:
        super().__init__()
        self.network: Any = _networks().ResidualEncoderUNet(
            **_shared(in_channels, num_classes, width, levels, deep_supervision),
            n_blocks_per_stage=[blocks[min(level, len(blocks) - 1)] for level in range(levels)],
            n_conv_per_stage_decoder=(1,) * (levels - 1),
        )
        _pool_on_any_device(self.network)
        self.spec = _spec(in_channels, num_classes, width, levels, deep_supervision)
        self.deviations = _deviations(deep_supervision)

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel; in training also from the side outputs."""
        return _forward(self.network, self.spec, x, training=self.training)

    def encode(self, x: Tensor, features: Collection[str]) -> dict[str, Tensor]:
        """Give the named stages; the encoder runs only as deep as they need, and the decoder not at all."""
        return _encode(self.network.encoder, self.spec, x, features)


def _networks() -> Any:
    from dynamic_network_architectures.architectures import unet  # noqa: PLC0415  # takes seconds

    return unet


def _channels(width: int, levels: int) -> list[int]:
    return [min(MOST_CHANNELS, width * 2**level) for level in range(levels)]


def _shared(in_channels: int, num_classes: int, width: int, levels: int, deep_supervision: bool) -> dict[str, Any]:
    """Give what nnU-Net's plans say for both networks."""
    return {
        "input_channels": in_channels,
        "n_stages": levels,
        "features_per_stage": _channels(width, levels),
        "conv_op": nn.Conv3d,
        "kernel_sizes": 3,
        "strides": (1, *(2,) * (levels - 1)),
        "num_classes": num_classes,
        "conv_bias": True,
        "norm_op": nn.InstanceNorm3d,
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "nonlin": nn.LeakyReLU,
        "nonlin_kwargs": {"inplace": True},
        "deep_supervision": deep_supervision,
    }


def _spec(in_channels: int, num_classes: int, width: int, levels: int, deep_supervision: bool) -> BackboneSpec:
    last = levels - 2
    heads = tuple(AuxHead(f"level{n}", 0.0 if n == last else 0.5**n) for n in range(1, levels - 1))
    return BackboneSpec(
        in_channels,
        num_classes,
        (2 ** (levels - 1),) * 3,
        features={
            f"stage{level}": FeatureSpec(channels, (2**level,) * 3, context_voxels=None)  # instance norm sees all of it
            for level, channels in enumerate(_channels(width, levels))
        },
        aux_heads=heads if deep_supervision else (),
    )


def _deviations(deep_supervision: bool) -> dict[str, str]:
    """Say which heads are there and are never trained: the library makes all of them, so that states fit either way."""
    if deep_supervision:
        return {"gradients": "the last side output weighs nothing, as in nnU-Net, so its head is there and not trained"}
    return {"gradients": "the library makes the heads of side outputs all the same; without these they are not trained"}


class _AveragePool(nn.AvgPool3d):
    """Average pooling that a CPU does in fp32 where torch has none in half precision; autocast sees to that itself."""

    def forward(self, x: Tensor) -> Tensor:
        half = x.dtype in (torch.bfloat16, torch.float16)
        if half and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu"):
            return super().forward(x.float()).to(x.dtype)
        return super().forward(x)


def _pool_on_any_device(network: nn.Module) -> None:
    """Replace average poolings, in place; they have no weights."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.AvgPool3d:
                setattr(module, name, _AveragePool(child.kernel_size, child.stride, child.padding))


def _require_voxels(x: Tensor, stride: Triple) -> None:
    """Raise ValueError where instance norm would get a single voxel: of each item by itself, in evaluation too."""
    left = [edge // step for edge, step in zip(x.shape[2:], stride, strict=True)]
    if math.prod(left) < 2:  # noqa: PLR2004
        raise ValueError(
            f"A patch or window of {tuple(x.shape[2:])} leaves one voxel at the deepest level, which cannot be "
            f"normalized. Take a larger one than {stride}, or fewer levels."
        )


def _forward(network: Any, spec: BackboneSpec, x: Tensor, *, training: bool) -> BackboneOutput:
    _require_voxels(x, spec.divisor)
    network.decoder.deep_supervision = training and bool(spec.aux_heads)
    found = network(x)
    if not network.decoder.deep_supervision:
        return BackboneOutput(found)
    main, *side = found
    size = main.shape[2:]
    whole = [nn.functional.interpolate(part, size=size, mode="trilinear", align_corners=False) for part in side]
    return BackboneOutput(main, tuple(whole))


def _encode(encoder: Any, spec: BackboneSpec, x: Tensor, features: Collection[str]) -> dict[str, Tensor]:
    unknown = sorted(set(features) - set(spec.features))
    if unknown:
        raise KeyError(f"this network publishes {', '.join(spec.features)}, not {', '.join(unknown)}")
    wanted = {int(name.removeprefix("stage")) for name in features}
    if wanted:
        _require_voxels(x, spec.features[f"stage{max(wanted)}"].stride)
    found: dict[str, Tensor] = {}
    stem = getattr(encoder, "stem", None)
    x = x if stem is None or not wanted else stem(x)
    for level in range(max(wanted, default=-1) + 1):
        x = encoder.stages[level](x)
        if level in wanted:
            found[f"stage{level}"] = x
    return found
