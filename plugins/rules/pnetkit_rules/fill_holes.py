"""Fill holes: what a region encloses becomes a part of it.

A hole is a set of voxels outside the region from which no path over faces leads out of the volume. Such a hole has a
single component (of 26 neighbors) around it, so each component is filled by itself, in its own bounding box.
"""

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from pnetkit.types import PANCREAS, Segmentation
from pnetkit_rules.labeling import label_voxels, split_components
from pnetkit_rules.regions import VALUES, Region, region_mask

Within = Literal["volume", "axial-slice"]

LEAST = {"volume": 6, "axial-slice": 4}
"""The fewest voxels that can enclose one: those at its faces."""


class FillHoles:
    """Fill the holes of the pancreas set with pancreas, or those of one label with that label.

    Only background and pancreas are overwritten: a tumor or duct that lies in a hole stays what it is. What is open to
    the border of the volume (or of the slice) is no hole.
    """

    def __init__(
        self,
        *,
        of: Annotated[Region, Field(description="Whose holes; those of the pancreas set become pancreas.")] = (
            "pancreas-set"
        ),
        within: Annotated[
            Within, Field(description="Enclosed on all sides, or in an axial slice: a tube's inside is a hole there.")
        ] = "volume",
    ) -> None:
        self._of, self._within = of, within

    def __call__(self, segmentation: Segmentation) -> Segmentation:
        """Give the segmentation without holes."""
        return replace(segmentation, labels=fill_holes(segmentation.labels, self._of, self._within))


def fill_holes(labels: NDArray[np.uint8], of: Region, within: Within) -> NDArray[np.uint8]:
    """Give labels (x, y, z) in which the holes of a region are filled."""
    filled = labels.copy()
    faces = ndimage.generate_binary_structure(3, 1)
    if within == "axial-slice":
        faces[:, :, [0, 2]] = False
    for component in split_components(label_voxels(region_mask(labels, of), 26), least=LEAST[within]):
        mask, box = component.boxed()
        inside = filled[box]
        holes = ndimage.binary_fill_holes(mask, structure=faces) & ~mask
        inside[holes & (inside <= PANCREAS)] = VALUES[of]
    return filled
