"""What the networks of MONAI share: the library itself, common parameters, and a check of small patches.

MONAI is imported when a network is built, not with this package: it takes seconds.
"""

import math
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor

from pnetkit.types import BackboneSpec

Norm = Annotated[Literal["instance", "batch"], Field(description="Normalization after each convolution.")]
Levels = Annotated[int, Field(ge=2, le=6, description="Resolutions; each level halves the one above.")]
Width = Annotated[int, Field(ge=1, description="Channels of the first level; each level doubles them.")]
Dropout = Annotated[float, Field(ge=0, lt=1, description="Dropout in each block.")]


TRANSFORMER_TRAINING: Mapping[str, Any] = MappingProxyType(
    {
        "optimizer": "adamw",
        "learning_rate": 1e-4,
        "weight_decay": 1e-5,
        "schedule": "cosine",
        "warmup_iterations": 800,
        "loss": "dice-cross-entropy",
    }
)
"""What UNETR and SwinUNETR were published with; their warm-up is a hundredth of the training, here of 80,000 steps."""

MEDNEXT_TRAINING: Mapping[str, Any] = MappingProxyType(
    {
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "weight_decay": 3e-5,
        "schedule": "poly",
        "gradient_clip": 12.0,
        "loss": "dice-cross-entropy",
        "augmentation": "strong",
    }
)
"""What MedNeXt was published with, within nnU-Net's framework."""

NNUNET_TRAINING: Mapping[str, Any] = MappingProxyType(
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
"""What nnU-Net trains its networks with, of which DynUNet is MONAI's rebuilding."""


def monai_networks() -> Any:
    """Give MONAI's module of networks."""
    import monai.networks.nets  # noqa: PLC0415  # takes seconds

    return monai.networks.nets


def require_published(features: Collection[str], spec: BackboneSpec) -> None:
    """Raise KeyError on names of maps that a network does not publish."""
    unknown = sorted(set(features) - set(spec.features))
    if unknown:
        raise KeyError(f"this network publishes {', '.join(spec.features)}, not {', '.join(unknown)}")


def require_voxels(x: Tensor, spec: BackboneSpec, norm: Norm, *, training: bool) -> None:
    """Raise ValueError where a normalization at the deepest level would get a single value.

    Instance norm (and a group norm of one channel) takes each item's voxels by themselves, in evaluation too; batch
    norm takes those of the whole batch, and in training only.
    """
    size = tuple(x.shape[2:])
    if math.prod(edge // divisor for edge, divisor in zip(size, spec.divisor, strict=True)) > 1:
        return
    what = f"of {size} leaves one voxel at the deepest level, which cannot be normalized."
    if norm != "batch":
        raise ValueError(f"A patch or window {what} Take a larger one than {spec.divisor}, or fewer levels.")
    if training and x.shape[0] == 1:
        raise ValueError(
            f"In training a single patch {what} Take a batch of two or more, patches larger than {spec.divisor}, or "
            f"fewer levels."
        )
