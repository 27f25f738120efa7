"""Remove what is too small: components of a label below a volume in mm³."""

from dataclasses import replace
from itertools import product
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pnetkit.types import BACKGROUND, DUCT, PANCREAS, TUMOR, Segmentation
from pnetkit_rules.labeling import Connectivity, Voxels, label_voxels

Become = Literal["by-contact", "pancreas", "background"]


ROUNDING = 1e-9
"""By how much of its limit a component may fall short: one as large as the limit stays, though volumes are rounded."""


class MinimumVolume:
    """Remove components of tumor, duct and pancreas that are smaller than their label's limit.

    A component as large as the limit stays. Removed pancreas becomes background. A removed lesion becomes pancreas if
    it touches pancreas, as a speck inside the organ does, and background elsewhere; or always one of the two. Lesions
    go first: a piece of pancreas is measured with what was won back from them. 14 mm³ are a ball of 3 mm.
    """

    def __init__(
        self,
        *,
        tumor_mm3: Annotated[float | None, Field(gt=0, description="Least tumor; null to keep all.")] = 14.0,
        duct_mm3: Annotated[float | None, Field(gt=0, description="Least duct; null to keep all.")] = 14.0,
        pancreas_mm3: Annotated[float | None, Field(gt=0, description="Least pancreas; null to keep all.")] = None,
        lesions_become: Annotated[
            Become, Field(description="What removed tumor and duct become; by-contact: pancreas where they touch it.")
        ] = "by-contact",
        connectivity: Connectivity = 26,
    ) -> None:
        self._lesion_limits_mm3 = {TUMOR: tumor_mm3, DUCT: duct_mm3}
        self._pancreas_mm3 = pancreas_mm3
        self._lesions_become: Become = lesions_become
        self._connectivity: Connectivity = connectivity

    def __call__(self, segmentation: Segmentation) -> Segmentation:
        """Give the segmentation without components below their limits."""
        given, voxel_mm3 = segmentation.labels, segmentation.grid.voxel_mm3
        labels = given.copy()
        for value, limit_mm3 in self._lesion_limits_mm3.items():
            if limit_mm3 is not None:
                small = _small(given == value, limit_mm3 / voxel_mm3, self._connectivity)
                labels[small.places] = self._replacement(given, small)
        if self._pancreas_mm3 is not None:
            small = _small(labels == PANCREAS, self._pancreas_mm3 / voxel_mm3, self._connectivity)
            labels[small.places] = BACKGROUND
        return replace(segmentation, labels=labels)

    def _replacement(self, labels: NDArray[np.uint8], lesions: Voxels) -> NDArray[np.uint8]:
        """Give the label that each voxel of removed lesions gets."""
        touches = np.full(lesions.count, self._lesions_become == "pancreas")
        if self._lesions_become == "by-contact":
            touches = _touch_pancreas(labels, lesions)
        values: NDArray[np.uint8] = np.where(touches[lesions.numbers], np.uint8(PANCREAS), np.uint8(BACKGROUND))
        return values


def _small(mask: NDArray[np.bool_], least_voxels: float, connectivity: Connectivity) -> Voxels:
    """Give the voxels of a mask (x, y, z) whose components have fewer voxels than `least_voxels`."""
    voxels = label_voxels(mask, connectivity)
    sizes = np.bincount(voxels.numbers, minlength=voxels.count)
    return voxels.take((sizes < least_voxels * (1 - ROUNDING))[voxels.numbers])


def _touch_pancreas(labels: NDArray[np.uint8], lesions: Voxels) -> NDArray[np.bool_]:
    """Tell which components have pancreas among the 26 neighbors of their voxels."""
    touches = np.zeros(lesions.count, dtype=bool)
    for step in product((-1, 0, 1), repeat=3):
        # A step beyond the border is cut short, and ends at a neighbor or where it began.
        there = tuple(
            np.clip(at + by, 0, length - 1) for at, by, length in zip(lesions.places, step, labels.shape, strict=True)
        )
        touches[lesions.numbers[labels[there] == PANCREAS]] = True
    return touches
