"""Keep lesions at the organ: tumor and duct that lie far from every pancreas voxel are removed."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from pnetkit.types import BACKGROUND, DUCT, PANCREAS, TUMOR, Segmentation
from pnetkit_rules.distance import component_distances
from pnetkit_rules.labeling import Connectivity, label_voxels


class NearOrgan:
    """Remove tumor and duct components that lie further than a gap from the pancreas (label 1).

    The distance is the smallest one between voxel centers; a component at the gap stays. Each label's components are
    measured by themselves, and to label 1 alone: a lesion that hangs on another lesion is not near for that. Removed
    voxels become background. Where there is no pancreas nothing can be measured: lesions stay, so that no case turns
    normal for want of an organ, or go where the recipe says so.
    """

    def __init__(
        self,
        *,
        gap_mm: Annotated[float, Field(gt=0, description="Largest distance to the pancreas.")] = 10.0,
        without_pancreas: Annotated[
            Literal["keep", "remove"], Field(description="What to do with lesions where no voxel is pancreas.")
        ] = "keep",
        connectivity: Connectivity = 26,
    ) -> None:
        self._gap_mm, self._without_pancreas = gap_mm, without_pancreas
        self._connectivity: Connectivity = connectivity

    def __call__(self, segmentation: Segmentation) -> Segmentation:
        """Give the segmentation without lesions far from the pancreas."""
        labels = segmentation.labels.copy()
        organ = label_voxels(labels == PANCREAS, self._connectivity)
        if organ.count == 0:
            if self._without_pancreas == "remove":
                labels[:] = BACKGROUND  # all that is left is tumor and duct
            return replace(segmentation, labels=labels)
        for value in (TUMOR, DUCT):
            lesions = label_voxels(segmentation.labels == value, self._connectivity)
            distances = component_distances(organ, lesions, reach=self._gap_mm, spacing=segmentation.grid.spacing_mm)
            far = distances > self._gap_mm
            labels[lesions.take(far[lesions.numbers]).places] = BACKGROUND
        return replace(segmentation, labels=labels)
