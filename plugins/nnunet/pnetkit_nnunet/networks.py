"""PlainConvUNet and ResidualEncoderUNet of dynamic-network-architectures, with nnU-Net's settings.

nnU-Net gives side outputs at their own size and shrinks the labels to them; a backbone's outputs lie on the input's
grid, so side outputs are interpolated here. Their weights are nnU-Net's: halved at each level, none for the last.
"""

import math
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec, Triple
from pnetkit_nnunet.axes import AxisCode, Outputs, Turn, merged, turn_of
from pnetkit_nnunet.plans import (
    MOST_CHANNELS,
    Activation,
    Bias,
    Counts,
    Decoder,
    Features,
    Kernels,
    Levels,
    Norm,
    Strides,
    Supervised,
    Width,
    architecture,
    require_levels,
    settings,
    spec_of,
)

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
        convolutions: Annotated[
            Annotated[int, Field(ge=1)] | Counts, Field(description="Convolutions of each level, up and down.")
        ] = 2,
        deep_supervision: Supervised = True,
        features: Features = None,
        strides: Strides = None,
        kernels: Kernels = None,
        decoder_convolutions: Decoder = None,
        norm: Norm = "instance",
        activation: Activation = "leaky-relu",
        bias: Bias = True,
        axes: AxisCode = "RAS",
        outputs: Outputs = None,
    ) -> None:
        super().__init__()
        of_levels = architecture(features or _channels(width, levels), strides, kernels)
        depth = of_levels["n_stages"]
        each = (convolutions,) * depth if isinstance(convolutions, int) else convolutions
        up = decoder_convolutions or each[: depth - 1]
        require_levels(depth, convolutions=each)
        require_levels(depth - 1, decoder_convolutions=up)
        self.network: Any = _networks().PlainConvUNet(
            **of_levels,
            **settings(norm, activation, bias),
            input_channels=in_channels,
            num_classes=_outputs(outputs, num_classes),
            n_conv_per_stage=each,
            n_conv_per_stage_decoder=up,
            deep_supervision=deep_supervision,
        )
        self.turn, self.outputs = turn_of(axes), outputs
        self.spec = spec_of(in_channels, num_classes, of_levels, self.turn, deep_supervision=deep_supervision)
        self.deviations = _deviations(deep_supervision)

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel; in training also from the side outputs."""
        return _forward(self.network, self.spec, self.turn, self.outputs, x, training=self.training)

    def encode(self, x: Tensor, features: Collection[str]) -> dict[str, Tensor]:
        """Give the named stages; the encoder runs only as deep as they need, and the decoder not at all."""
        return _encode(self.network.encoder, self.spec, self.turn, x, features)

    def own_names(self, foreign: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
        """Give the own names of tensors as nnU-Net's checkpoints name them."""
        return _own_names(foreign)

    def part_of(self, name: str) -> Literal["encoder", "decoder", "head"]:
        """Tell encoder, decoder and heads apart."""
        return _part_of(name)


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
        features: Features = None,
        strides: Strides = None,
        kernels: Kernels = None,
        decoder_convolutions: Decoder = None,
        norm: Norm = "instance",
        activation: Activation = "leaky-relu",
        bias: Bias = True,
        axes: AxisCode = "RAS",
        outputs: Outputs = None,
    ) -> None:
        super().__init__()
        of_levels = architecture(features or _channels(width, levels), strides, kernels)
        depth = of_levels["n_stages"]
        up = decoder_convolutions or (1,) * (depth - 1)
        require_levels(depth - 1, decoder_convolutions=up)
        self.network: Any = _networks().ResidualEncoderUNet(
            **of_levels,
            **settings(norm, activation, bias),
            input_channels=in_channels,
            num_classes=_outputs(outputs, num_classes),
            n_blocks_per_stage=[blocks[min(level, len(blocks) - 1)] for level in range(depth)],
            n_conv_per_stage_decoder=up,
            deep_supervision=deep_supervision,
        )
        _pool_on_any_device(self.network)
        self.turn, self.outputs = turn_of(axes), outputs
        self.spec = spec_of(in_channels, num_classes, of_levels, self.turn, deep_supervision=deep_supervision)
        self.deviations = _deviations(deep_supervision)

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel; in training also from the side outputs."""
        return _forward(self.network, self.spec, self.turn, self.outputs, x, training=self.training)

    def encode(self, x: Tensor, features: Collection[str]) -> dict[str, Tensor]:
        """Give the named stages; the encoder runs only as deep as they need, and the decoder not at all."""
        return _encode(self.network.encoder, self.spec, self.turn, x, features)

    def own_names(self, foreign: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
        """Give the own names of tensors as nnU-Net's checkpoints name them."""
        return _own_names(foreign)

    def part_of(self, name: str) -> Literal["encoder", "decoder", "head"]:
        """Tell encoder, decoder and heads apart."""
        return _part_of(name)


def _networks() -> Any:
    from dynamic_network_architectures.architectures import unet  # noqa: PLC0415  # takes seconds

    return unet


def _channels(width: int, levels: int) -> list[int]:
    return [min(MOST_CHANNELS, width * 2**level) for level in range(levels)]


def _outputs(outputs: tuple[int, ...] | None, num_classes: int) -> int:
    """Give the number of a network's outputs. Raises ValueError where one means a class that there is not."""
    if outputs is None:
        return num_classes
    if max(outputs) >= num_classes:
        raise ValueError(f"outputs {list(outputs)} mean classes up to {max(outputs)}; there are 0 to {num_classes - 1}")
    return len(outputs)


def _own_names(foreign: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    return {name: name if name.startswith("network.") else f"network.{name}" for name in foreign}


def _part_of(name: str) -> Literal["encoder", "decoder", "head"]:
    if ".seg_layers." in name:
        return "head"
    return "encoder" if name.startswith("network.encoder.") else "decoder"


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


def _forward(
    network: Any, spec: BackboneSpec, turn: Turn, outputs: tuple[int, ...] | None, x: Tensor, *, training: bool
) -> BackboneOutput:
    _require_voxels(x, spec.divisor)
    network.decoder.deep_supervision = training and bool(spec.aux_heads)
    found = network(turn.to_network(x))
    main, *side = found if network.decoder.deep_supervision else (found,)
    size = main.shape[2:]
    whole = [nn.functional.interpolate(part, size=size, mode="trilinear", align_corners=False) for part in side]
    first, *others = [turn.to_scan(part) for part in (main, *whole)]
    if outputs is not None:
        first, *others = [merged(part, outputs, spec.num_classes) for part in (first, *others)]
    return BackboneOutput(first, tuple(others))


def _encode(encoder: Any, spec: BackboneSpec, turn: Turn, x: Tensor, features: Collection[str]) -> dict[str, Tensor]:
    unknown = sorted(set(features) - set(spec.features))
    if unknown:
        raise KeyError(f"this network publishes {', '.join(spec.features)}, not {', '.join(unknown)}")
    wanted = {int(name.removeprefix("stage")) for name in features}
    if wanted:
        _require_voxels(x, spec.features[f"stage{max(wanted)}"].stride)
    found: dict[str, Tensor] = {}
    x = turn.to_network(x)
    stem = getattr(encoder, "stem", None)
    x = x if stem is None or not wanted else stem(x)
    for level in range(max(wanted, default=-1) + 1):
        x = encoder.stages[level](x)
        if level in wanted:
            found[f"stage{level}"] = turn.to_scan(x)
    return found
