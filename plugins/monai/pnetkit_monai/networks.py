"""SegResNet, DynUNet, BasicUNet and SwinUNETR of MONAI, mapped onto the interface of a backbone."""

from collections.abc import Collection
from typing import Annotated, Any

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from pnetkit.interfaces import BackboneOutput
from pnetkit.types import AuxHead, BackboneSpec, FeatureSpec
from pnetkit_monai.library import (
    NNUNET_TRAINING,
    TRANSFORMER_TRAINING,
    Levels,
    Norm,
    Width,
    monai_networks,
    require_published,
    require_voxels,
)

MOST_CHANNELS = 320
"""What nnU-Net limits the channels of deep levels to."""


class SegResNet(nn.Module):
    """SegResNet (Myronenko 2018, without its autoencoder branch): a wide residual encoder, a light decoder.

    Publishes the encoder's maps as `level1`, `level2`, …, with strides 1, 2, 4, ….
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        num_classes: int = 4,
        width: Annotated[
            int, Field(ge=8, multiple_of=8, description="Channels of the first level, in groups of 8.")
        ] = 16,
        blocks_down: Annotated[
            tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2, description="Blocks of each encoder level.")
        ] = (1, 2, 2, 4),
        dropout: Annotated[float, Field(ge=0, lt=1, description="Dropout after the first convolution.")] = 0.0,
    ) -> None:
        super().__init__()
        self.network: Any = monai_networks().SegResNet(
            spatial_dims=3,
            init_filters=width,
            in_channels=in_channels,
            out_channels=num_classes,
            dropout_prob=dropout or None,
            blocks_down=blocks_down,
            blocks_up=(1,) * (len(blocks_down) - 1),
        )
        levels = range(len(blocks_down))
        features = {  # group norm sees all of an input
            f"level{level + 1}": FeatureSpec(width * 2**level, (2**level,) * 3, context_voxels=None) for level in levels
        }
        self.spec = BackboneSpec(in_channels, num_classes, (2 ** levels[-1],) * 3, features=features)

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel."""
        return BackboneOutput(self.network(x))

    def encode(self, x: Tensor, features: Collection[str]) -> dict[str, Tensor]:
        """Give the named levels of the encoder; the decoder is not run."""
        require_published(features, self.spec)
        if not features:
            return {}
        maps = dict(zip(self.spec.features, self.network.encode(x)[1], strict=True))
        return {name: maps[name] for name in features}


class DynUNet(nn.Module):
    """DynUNet: MONAI's rebuilding of nnU-Net's network, with its deep supervision.

    The side outputs of the `supervised` levels below the first are interpolated to full size by MONAI; their weights
    are 1/2, 1/4, … of the main one's 1, as in nnU-Net.
    """

    usual_training = NNUNET_TRAINING

    def __init__(
        self,
        *,
        in_channels: int = 1,
        num_classes: int = 4,
        width: Width = 32,
        levels: Levels = 5,
        supervised: Annotated[int, Field(ge=0, description="Levels with a side output in training.")] = 2,
        residual: Annotated[bool, Field(description="Residual blocks.")] = False,
        norm: Norm = "instance",
    ) -> None:
        super().__init__()
        if supervised > levels - 2:
            raise ValueError(f"supervised is {supervised}; of {levels} levels, at most {levels - 2} have a side output")
        self._norm = norm
        strides = (1, *(2,) * (levels - 1))
        self.network: Any = monai_networks().DynUNet(
            spatial_dims=3,
            in_channels=in_channels,
            out_channels=num_classes,
            kernel_size=(3,) * levels,
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=[min(MOST_CHANNELS, width * 2**level) for level in range(levels)],
            norm_name=(norm, {"affine": True}),
            deep_supervision=supervised > 0,
            deep_supr_num=max(1, supervised),
            res_block=residual,
        )
        heads = tuple(AuxHead(f"level{level}", 0.5**level) for level in range(1, supervised + 1))
        self.spec = BackboneSpec(in_channels, num_classes, (2 ** (levels - 1),) * 3, aux_heads=heads)

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel; in training also from the side outputs."""
        require_voxels(x, self.spec, self._norm, training=self.training)
        found = self.network(x)
        if not (self.training and self.spec.aux_heads):
            return BackboneOutput(found)
        main, *side = found.unbind(1)
        return BackboneOutput(main, tuple(side))


class BasicUNet(nn.Module):
    """BasicUNet: the 3-D U-Net of Falk et al. (2019) in MONAI's form, of five levels."""

    def __init__(
        self,
        *,
        in_channels: int = 1,
        num_classes: int = 4,
        width: Width = 32,
        norm: Norm = "instance",
        dropout: Annotated[float, Field(ge=0, lt=1, description="Dropout in each block.")] = 0.0,
    ) -> None:
        super().__init__()
        self._norm = norm
        features = (width, width, 2 * width, 4 * width, 8 * width, width)
        self.network: Any = monai_networks().BasicUNet(
            spatial_dims=3, in_channels=in_channels, out_channels=num_classes, features=features,
            norm=(norm, {"affine": True}), dropout=dropout,
        )  # fmt: skip
        self.spec = BackboneSpec(in_channels, num_classes, (16, 16, 16))

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel."""
        require_voxels(x, self.spec, self._norm, training=self.training)
        return BackboneOutput(self.network(x))


class SwinUNETR(nn.Module):
    """SwinUNETR (Hatamizadeh et al. 2022): a shifted-window transformer as encoder.

    Publishes the transformer's maps as `stage1` to `stage5`, with strides 2 to 32.
    """

    usual_training = TRANSFORMER_TRAINING

    def __init__(
        self,
        *,
        in_channels: int = 1,
        num_classes: int = 4,
        width: Annotated[int, Field(ge=12, multiple_of=12, description="Channels of the first level.")] = 24,
        depths: Annotated[
            tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt],
            Field(description="Blocks of each stage of the transformer; every second one shifts its windows."),
        ] = (2, 2, 2, 2),
        dropout: Annotated[float, Field(ge=0, lt=1, description="Dropout of paths.")] = 0.0,
        version2: Annotated[bool, Field(description="A residual convolution before each stage.")] = False,
    ) -> None:
        super().__init__()
        device = torch.get_default_device()
        with torch.device("cpu"):  # MONAI reads rates of dropout from a tensor, which has no values on meta
            network = monai_networks().SwinUNETR(
                in_channels=in_channels,
                out_channels=num_classes,
                feature_size=width,
                depths=depths,
                dropout_path_rate=dropout,
                use_v2=version2,
            )
        self.network: Any = network.to(device)
        stages = range(1, 6)
        features = {  # where the windows of its attention lie depends on where the input begins
            f"stage{stage}": FeatureSpec(width * 2 ** (stage - 1), (2**stage,) * 3, context_voxels=None)
            for stage in stages
        }
        self.spec = BackboneSpec(in_channels, num_classes, (32, 32, 32), features=features)

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel."""
        require_voxels(x, self.spec, "instance", training=self.training)
        return BackboneOutput(self.network(x))

    def encode(self, x: Tensor, features: Collection[str]) -> dict[str, Tensor]:
        """Give the named stages of the transformer; no convolution is run."""
        require_published(features, self.spec)
        if not features:
            return {}
        require_voxels(x, self.spec, "instance", training=self.training)
        maps = dict(zip(self.spec.features, self.network.swinViT(x, self.network.normalize), strict=True))
        return {name: maps[name] for name in features}
