"""UNETR of MONAI as a backbone of one size: its transformer learns a position for each place of that size."""

from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn

from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec
from pnetkit_monai.library import TRANSFORMER_TRAINING, Norm, monai_networks

TOKEN = 16
"""Edge of the blocks of voxels that the transformer takes for one token each; MONAI has it fixed."""

Edge = Annotated[int, Field(ge=TOKEN, multiple_of=TOKEN)]


class UNETR(nn.Module):
    """UNETR (Hatamizadeh et al. 2022): a transformer over blocks of 16 voxels as encoder, convolutions as decoder.

    Takes patches and windows of `size` alone. A size of one block (16, 16, 16) cannot be trained: one token is left.
    """

    usual_training = TRANSFORMER_TRAINING

    def __init__(
        self,
        *,
        in_channels: int = 1,
        num_classes: int = 4,
        size: Annotated[
            tuple[Edge, Edge, Edge], Field(description="The one size of patches and windows, in multiples of 16.")
        ] = (64, 64, 64),
        width: Annotated[int, Field(ge=1, description="Channels of the decoder's full resolution.")] = 16,
        hidden: Annotated[int, Field(ge=1, description="Width of the transformer, a multiple of heads.")] = 768,
        heads: Annotated[int, Field(ge=1, description="Attention heads.")] = 12,
        norm: Norm = "instance",
        dropout: Annotated[float, Field(ge=0, lt=1, description="Dropout in the transformer.")] = 0.0,
    ) -> None:
        super().__init__()
        if hidden % heads:
            raise ValueError(f"hidden is {hidden}, which is no multiple of the {heads} heads")
        if max(size) == TOKEN:
            raise ValueError(f"size is {size}, a single block of {TOKEN} voxels; take two or more along an axis")
        self.network: Any = monai_networks().UNETR(
            in_channels=in_channels,
            out_channels=num_classes,
            img_size=size,
            feature_size=width,
            hidden_size=hidden,
            mlp_dim=4 * hidden,
            num_heads=heads,
            norm_name=(norm, {"affine": True}),
            dropout_rate=dropout,
        )
        for block in self.network.vit.blocks:
            block.norm_cross_attn = nn.Identity()  # MONAI makes it for every block and runs it in none of these
        self.spec = BackboneSpec(in_channels, num_classes, (TOKEN,) * 3, only_size=size)

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel. Raises ValueError on a size that the positions were not made for."""
        if tuple(x.shape[2:]) != self.spec.only_size:
            raise ValueError(
                f"This UNETR takes {self.spec.only_size} alone, got {tuple(x.shape[2:])}. Give it such patches, or "
                f"build it for another `size`."
            )
        return BackboneOutput(self.network(x))
