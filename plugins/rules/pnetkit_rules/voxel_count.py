"""The classification rule (the paper, Section 3.2): enough tumor or enough dilated duct."""

from typing import Annotated

import numpy as np
from pydantic import Field

from pnetkit.types import BACKGROUND, Evidence, PhaseFinding

NO_PANCREAS = "no pancreas found"
"""The flag of a segmentation without any foreground."""


class VoxelCount:
    """Call a phase abnormal from 40 tumor voxels or 500 duct voxels on.

    The score is the larger of the two ratios to their thresholds, so the threshold is 1 and the operating point can
    move. A threshold in mm³ replaces that in voxels; null for both switches that label off.
    """

    def __init__(
        self,
        *,
        tumor_voxels: Annotated[
            int | None, Field(ge=1, description="Least tumor; null to use tumor_mm3 or none.")
        ] = 40,
        duct_voxels: Annotated[int | None, Field(ge=1, description="Least duct; null to use duct_mm3 or none.")] = 500,
        tumor_mm3: Annotated[float | None, Field(gt=0, description="Least tumor by volume, instead of voxels.")] = None,
        duct_mm3: Annotated[float | None, Field(gt=0, description="Least duct by volume, instead of voxels.")] = None,
    ) -> None:
        if all(limit is None for limit in (tumor_voxels, duct_voxels, tumor_mm3, duct_mm3)):
            raise ValueError("all thresholds are null, so no case could be called abnormal; set one")
        in_mm3 = (tumor_voxels is None or tumor_mm3 is not None) and (duct_voxels is None or duct_mm3 is not None)
        self.deviations = {} if in_mm3 else {"scale_in_mm": "counts voxels, as the paper does"}
        self._limits = {"tumor": (tumor_voxels, tumor_mm3), "duct": (duct_voxels, duct_mm3)}

    def classify(self, evidence: Evidence) -> PhaseFinding:
        """Count the labels of the segmentation and compare with the thresholds."""
        segmentation = evidence.segmentation
        labels = segmentation.labels
        # of the foreground alone: bincount widens what it is given to eight bytes a voxel
        counts = np.bincount(labels[labels > BACKGROUND], minlength=len(segmentation.classes))
        voxels = dict(zip(segmentation.classes, (int(n) for n in counts), strict=False))
        voxel_mm3 = segmentation.grid.voxel_mm3
        ratios = []
        for name, (least_voxels, least_mm3) in self._limits.items():
            if least_mm3 is not None:
                ratios.append(voxels[name] * voxel_mm3 / least_mm3)
            elif least_voxels is not None:
                ratios.append(voxels[name] / least_voxels)
        measured = {f"{name}_voxels": float(voxels[name]) for name in ("pancreas", "tumor", "duct")}
        measured |= {f"{name}_mm3": voxels[name] * voxel_mm3 for name in ("pancreas", "tumor", "duct")}
        return PhaseFinding(
            phase=evidence.phase,
            score=max(ratios),
            threshold=1.0,
            measurements=measured,
            flags=() if counts.any() else (NO_PANCREAS,),
        )
