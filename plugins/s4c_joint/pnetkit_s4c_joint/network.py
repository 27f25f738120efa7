"""S4C with a classification head: one encoder, trained to segment and to classify at once.

The paper (Section 5) names joint training of the two as future work and says nothing of its form. Here the head is a
small convolutional network on `pool3`, the map on which the paper's separate classification network works. It scores
every cell of the map for "tumor or duct here"; a patch's score is its largest cell (multiple-instance learning by
maximum), so the head learns from patches and can be asked about a region of any size.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pnetkit_s4c.network import S4C, AuxStyle
from pydantic import Field
from torch import Tensor, nn

from pnetkit.interfaces import BackboneOutput
from pnetkit.types import FeatureSpec

LESION_SCORE = "lesion_score"
"""The head's map: one logit for each cell of 8 x 8 x 8 voxels."""


class S4CJoint(nn.Module):
    """The paper's network and a lesion head on its `pool3`. Publishes S4C's feature maps and `lesion_score`."""

    def __init__(
        self,
        *,
        in_channels: int = 1,
        num_classes: int = 4,
        width: Annotated[int, Field(ge=1, description="Channels of the first level; each level doubles them.")] = 32,
        skip: Annotated[
            Literal["sum", "concat"], Field(description="How encoder maps enter the decoder; the paper sums.")
        ] = "sum",
        aux: Annotated[AuxStyle, Field(description="Auxiliary heads: learned, interpolated, or none.")] = "deconv",
        head_channels: Annotated[int, Field(ge=1, description="Channels of the lesion head's convolution.")] = 64,
        lesion_loss_weight: Annotated[
            float, Field(gt=0, description="Weight of the lesion score's loss beside the segmentation's 1.")
        ] = 0.2,
    ) -> None:
        super().__init__()
        self.segmentation = S4C(in_channels=in_channels, num_classes=num_classes, width=width, skip=skip, aux=aux)
        self.lesion = nn.Sequential(
            nn.Conv3d(4 * width, head_channels, 3, padding=1, bias=False),
            nn.BatchNorm3d(head_channels),
            nn.ReLU(inplace=True),
            nn.Conv3d(head_channels, 1, 1),
        )
        spec = self.segmentation.spec
        score = FeatureSpec(1, (8, 8, 8), aligned=True, context_voxels=(21, 21, 21))  # pool3's 13, and a cell more
        features = {**spec.features, LESION_SCORE: score}
        self.spec = replace(spec, features=features, lesion_loss_weight=lesion_loss_weight)

    def forward(self, x: Tensor) -> BackboneOutput:
        """Score every voxel, and in training mode the patch."""
        first, second, third = self.segmentation.levels(x)
        output = self.segmentation.decode(first, second, third)
        if not self.training:
            return output
        cells = self.lesion(self.segmentation.pool(third))
        return BackboneOutput(output.logits, output.aux_logits, cells.flatten(1).amax(dim=1))

    def encode(self, x: Tensor, features: Collection[str]) -> Mapping[str, Tensor]:
        """Give the named maps; the lesion score costs `pool3` and two small convolutions."""
        others = [name for name in features if name != LESION_SCORE]
        if LESION_SCORE not in features:
            return self.segmentation.encode(x, others)
        maps = self.segmentation.encode(x, {*others, "pool3"})
        found: dict[str, Tensor] = {name: maps[name] for name in others}
        found[LESION_SCORE] = torch.as_tensor(self.lesion(maps["pool3"]))
        return found
