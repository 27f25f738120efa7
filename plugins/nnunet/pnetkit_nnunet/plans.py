"""A network as nnU-Net's plans describe it: channels, strides, kernels and convolutions of each level."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn

from pnetkit.types import AuxHead, BackboneSpec, FeatureSpec, Triple
from pnetkit_nnunet.axes import Turn

MOST_CHANNELS = 320

Levels = Annotated[int, Field(ge=3, le=7, description="Resolutions; each level halves the one above.")]
Width = Annotated[int, Field(ge=1, description="Channels of the first level; each level doubles them, up to 320.")]
Supervised = Annotated[bool, Field(description="Side outputs of every decoder level in training.")]
Counts = tuple[Annotated[int, Field(ge=1)], ...]
Features = Annotated[
    Counts | None, Field(min_length=2, description="Channels of each level, in the place of width and levels.")
]
Strides = Annotated[
    tuple[Triple, ...] | None, Field(description="Stride of each level along the network's axes; null for 1, 2, 2, …")
]
Kernels = Annotated[
    tuple[Triple, ...] | None, Field(description="Kernel of each level along the network's axes; null for 3.")
]
Decoder = Annotated[
    Counts | None, Field(description="Convolutions of each decoder level, the highest first; null for the usual.")
]
Norm = Annotated[Literal["instance", "batch"], Field(description="Normalization after each convolution.")]
Activation = Annotated[Literal["leaky-relu", "relu"], Field(description="Activation after each normalization.")]
Bias = Annotated[bool, Field(description="Whether convolutions have a bias.")]

NORMS = {"instance": nn.InstanceNorm3d, "batch": nn.BatchNorm3d}
ACTIVATIONS = {"leaky-relu": nn.LeakyReLU, "relu": nn.ReLU}


def architecture(
    features: Sequence[int], strides: Sequence[Triple] | None, kernels: Sequence[Triple] | None
) -> dict[str, Any]:
    """Give what nnU-Net's plans say of levels. Raises ValueError where the lists are not of one length."""
    levels = len(features)
    found = {
        "n_stages": levels,
        "features_per_stage": list(features),
        "kernel_sizes": [list(of) for of in kernels or ((3, 3, 3),) * levels],
        "strides": [list(of) for of in strides or ((1, 1, 1), *((2, 2, 2),) * (levels - 1))],
    }
    require_levels(levels, strides=found["strides"], kernels=found["kernel_sizes"])
    return found


def require_levels(levels: int, **lists: Any) -> None:
    """Hold lists that have an item for each level to that. Raises ValueError naming the first that has not."""
    for name, of in lists.items():
        if len(of) != levels:
            raise ValueError(f"{name} has {len(of)} items, wanted one for each of {levels} levels")


def settings(norm: str, activation: str, bias: bool) -> dict[str, Any]:
    """Give what nnU-Net's plans say of layers."""
    return {
        "conv_op": nn.Conv3d,
        "conv_bias": bias,
        "norm_op": NORMS[norm],
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "nonlin": ACTIVATIONS[activation],
        "nonlin_kwargs": {"inplace": True},
    }


def spec_of(
    in_channels: int, num_classes: int, levels: dict[str, Any], turn: Turn, *, deep_supervision: bool
) -> BackboneSpec:
    """Give the spec of a network of these levels."""
    steps, last = [1, 1, 1], len(levels["features_per_stage"]) - 2
    maps = {}
    for level, (channels, stride) in enumerate(zip(levels["features_per_stage"], levels["strides"], strict=True)):
        steps = [step * of for step, of in zip(steps, stride, strict=True)]
        maps[f"stage{level}"] = FeatureSpec(channels, turn.in_scan(steps), context_voxels=None)  # a norm sees all of it
    heads = tuple(AuxHead(f"level{n}", 0.0 if n == last else 0.5**n) for n in range(1, last + 1))
    return BackboneSpec(
        in_channels,
        num_classes,
        turn.in_scan(steps),
        features=maps,
        aux_heads=heads if deep_supervision else (),
    )
