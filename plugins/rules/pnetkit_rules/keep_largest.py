"""Keep one component: the largest of the pancreas set, or of each label."""

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from pnetkit.types import BACKGROUND, Segmentation
from pnetkit_rules.components import keep_components
from pnetkit_rules.labeling import Connectivity
from pnetkit_rules.regions import Region, region_mask


class KeepLargest:
    """Keep only the largest component of each named region; what else is of the region becomes background.

    Size is the number of voxels. Of two that are equally large the one with the lowest index stays: whose first voxel
    comes first in the order of x, then y, then z. Several regions are taken one after the other, as they are named.
    """

    def __init__(
        self,
        *,
        of: Annotated[
            tuple[Region, ...], Field(min_length=1, description="The pancreas set as a whole, or labels by themselves.")
        ] = ("pancreas-set",),
        connectivity: Connectivity = 26,
    ) -> None:
        self._of = of
        self._connectivity: Connectivity = connectivity

    def __call__(self, segmentation: Segmentation) -> Segmentation:
        """Give the segmentation with one component of each named region."""
        labels = segmentation.labels
        for region in self._of:
            mask = region_mask(labels, region)
            kept = keep_components(mask, minimum_fraction=None, gap=None, connectivity=self._connectivity)
            labels = np.where(mask & ~kept, np.uint8(BACKGROUND), labels)
        return replace(segmentation, labels=labels)
