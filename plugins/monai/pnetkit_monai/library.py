"""What the networks of MONAI share: the library itself, common parameters, and a check of small patches.

MONAI is imported when a network is built, not with this package: it takes seconds.
"""

from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from pnetkit.types import BackboneSpec

Norm = Annotated[Literal["instance", "batch"], Field(description="Normalization after each convolution.")]
Levels = Annotated[int, Field(ge=2, le=6, description="Resolutions; each level halves the one above.")]
Width = Annotated[int, Field(ge=1, description="Channels of the first level; each level doubles them.")]
Dropout = Annotated[float, Field(ge=0, lt=1, description="Dropout in each block.")]


def monai_networks() -> Any:
    """Give MONAI's module of networks."""
    import monai.networks.nets  # noqa: PLC0415  # takes seconds

    return monai.networks.nets


def require_voxels(x: Tensor, spec: BackboneSpec, training: bool) -> None:
    """Raise ValueError where instance or batch normalization would get a single value: it cannot be trained on."""
    deepest = torch.Size(edge // divisor for edge, divisor in zip(x.shape[2:], spec.divisor, strict=True))
    if training and deepest.numel() < 2:  # noqa: PLR2004
        raise ValueError(
            f"In training a patch of {tuple(x.shape[2:])} leaves one voxel at the deepest level, which cannot be "
            f"normalized. Take patches larger than {spec.divisor}, or fewer levels."
        )
