"""UNet with residual units, Attention U-Net and MedNeXt of MONAI, mapped onto the interface of a backbone."""

from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from pnetkit.interfaces import BackboneOutput
from pnetkit.types import AuxHead, BackboneSpec
from pnetkit_monai.library import MEDNEXT_TRAINING, Dropout, Levels, Norm, Width, monai_networks, require_voxels


class UNet(nn.Module):
    """UNet of MONAI: a U-Net with residual units (Kerfoot et al. 2019)."""

    def __init__(
        self,
        *,
        in_channels: int = 1,
        num_classes: int = 4,
        width: Width = 16,
        levels: Levels = 5,
        residual_units: Annotated[
            int, Field(ge=0, description="Convolutions in a residual unit; 0 for plain ones.")
        ] = 2,
        norm: Norm = "instance",
        dropout: Dropout = 0.0,
    ) -> None:
        super().__init__()
        self._norm = norm
        self.network: Any = monai_networks().UNet(
            spatial_dims=3,
            in_channels=in_channels,
            out_channels=num_classes,
            channels=[width * 2**level for level in range(levels)],
            strides=(2,) * (levels - 1),
            num_res_units=residual_units,
            norm=(norm, {"affine": True}),
            dropout=dropout,
        )
        self.spec = BackboneSpec(in_channels, num_classes, (2 ** (levels - 1),) * 3)

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel."""
        require_voxels(x, self.spec, self._norm, training=self.training)
        return BackboneOutput(self.network(x))


class AttentionUNet(nn.Module):
    """Attention U-Net (Oktay et al. 2018, of the pancreas): gates on the skips, batch normalization."""

    def __init__(
        self,
        *,
        in_channels: int = 1,
        num_classes: int = 4,
        width: Width = 16,
        levels: Levels = 5,
        dropout: Dropout = 0.0,
    ) -> None:
        super().__init__()
        self.network: Any = monai_networks().AttentionUnet(
            spatial_dims=3,
            in_channels=in_channels,
            out_channels=num_classes,
            channels=[width * 2**level for level in range(levels)],
            strides=(2,) * (levels - 1),
            dropout=dropout,
        )
        self.spec = BackboneSpec(in_channels, num_classes, (2 ** (levels - 1),) * 3)

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel."""
        require_voxels(x, self.spec, "batch", training=self.training)
        return BackboneOutput(self.network(x))


class MedNeXt(nn.Module):
    """MedNeXt (Roy et al. 2023): a U-Net of ConvNeXt blocks, with its deep supervision.

    The side outputs of the levels below the first are interpolated to full size here; their weights are 1/2, 1/4, … of
    the main one's 1.
    """

    usual_training = MEDNEXT_TRAINING

    def __init__(
        self,
        *,
        in_channels: int = 1,
        num_classes: int = 4,
        width: Width = 32,
        blocks: Annotated[
            tuple[Annotated[int, Field(ge=1)], ...],
            Field(min_length=2, max_length=6, description="Blocks of each level; the last is the bottleneck."),
        ] = (2, 2, 2, 2, 2),
        expansion: Annotated[int, Field(ge=1, description="How many times wider a block is inside.")] = 2,
        kernel_size: Annotated[Literal[3, 5, 7], Field(description="Edge of the depthwise convolutions.")] = 3,
        supervised: Annotated[bool, Field(description="Side outputs of all lower levels in training.")] = True,
    ) -> None:
        super().__init__()
        *levels, bottleneck = blocks
        self.network: Any = monai_networks().MedNeXt(
            spatial_dims=3,
            init_filters=width,
            in_channels=in_channels,
            out_channels=num_classes,
            encoder_expansion_ratio=expansion,
            decoder_expansion_ratio=expansion,
            bottleneck_expansion_ratio=expansion,
            kernel_size=kernel_size,
            deep_supervision=supervised,
            use_residual_connection=True,
            blocks_down=levels,
            blocks_bottleneck=bottleneck,
            blocks_up=levels[::-1],
        )
        heads = tuple(AuxHead(f"level{level}", 0.5**level) for level in range(1, len(blocks))) if supervised else ()
        self.spec = BackboneSpec(in_channels, num_classes, (2 ** len(levels),) * 3, aux_heads=heads)

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel; in training also from the side outputs."""
        require_voxels(x, self.spec, "instance", training=self.training)  # of groups of one channel
        found = self.network(x)
        if not (self.training and self.spec.aux_heads):
            return BackboneOutput(found)
        main, *side = found
        size = tuple(x.shape[2:])
        return BackboneOutput(
            main, tuple(functional.interpolate(of, size=size, mode="trilinear", align_corners=False) for of in side)
        )
