"""The component rule (the paper, Section 3.2): keep what belongs to the pancreas, drop what lies about the body.

Of the union foreground (labels 1-3; only there does "near the largest" remove a tumor far away) the largest component
stays, and with it every component larger than 20 % of it or less than 27 voxels away. The distance is the smallest one
between voxel centers of the two; the paper says neither which distance it is nor which connectivity it uses.

The foreground is a thousandth of a scan, so everything is done on the list of its voxels, not on the volume.
"""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pnetkit.types import BACKGROUND, Segmentation
from pnetkit_rules.distance import component_distances
from pnetkit_rules.labeling import Connectivity, label_voxels


class Components:
    """Keep the largest component, and those that are large beside it or close to it.

    An empty segmentation stays empty. Of two largest components the first in scan order counts as the largest.
    """

    def __init__(
        self,
        *,
        minimum_fraction: Annotated[
            float | None,
            Field(ge=0, le=1, description="Keep what is larger than this share of the largest; null to ask nothing."),
        ] = 0.2,
        gap_voxels: Annotated[
            float | None, Field(gt=0, description="Keep what lies closer than this; null to ask nothing.")
        ] = 27.0,
        gap_mm: Annotated[
            float | None, Field(gt=0, description="The same in mm, instead of gap_voxels when it is set.")
        ] = None,
        connectivity: Connectivity = 26,
        scope: Annotated[
            Literal["union", "per-class"], Field(description="Components of the union of labels, or of each label.")
        ] = "union",
    ) -> None:
        in_voxels = gap_mm is None and gap_voxels is not None
        self.deviations = {"scale_in_mm": "counts voxels, as the paper does"} if in_voxels else {}
        self._fraction = minimum_fraction
        self._gap_voxels, self._gap_mm = gap_voxels, gap_mm
        self._connectivity: Connectivity = connectivity
        self._scope = scope

    def __call__(self, segmentation: Segmentation) -> Segmentation:
        """Give the segmentation without the components that the rule drops."""
        labels = segmentation.labels
        foregrounds = [labels > BACKGROUND]
        if self._scope == "per-class":
            foregrounds = [labels == value for value in range(1, len(segmentation.classes))]
        spacing = segmentation.grid.spacing_mm if self._gap_mm is not None else (1.0, 1.0, 1.0)
        kept = np.zeros(labels.shape, dtype=bool)
        for foreground in foregrounds:
            kept |= keep_components(
                foreground,
                minimum_fraction=self._fraction,
                gap=self._gap_mm if self._gap_mm is not None else self._gap_voxels,
                spacing=spacing,
                connectivity=self._connectivity,
            )
        return Segmentation(
            labels=np.where(kept, labels, np.uint8(BACKGROUND)),
            grid=segmentation.grid,
            classes=segmentation.classes,
            votes=segmentation.votes,
            voters=segmentation.voters,
        )


def keep_components(
    foreground: NDArray[np.bool_],
    *,
    minimum_fraction: float | None,
    gap: float | None,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    connectivity: Connectivity = 26,
) -> NDArray[np.bool_]:
    """Give the voxels of a mask (x, y, z) whose components stay.

    `gap` is a distance in units of `spacing`; both criteria are strict (`>` and `<`), and one is enough.
    """
    kept = np.zeros(foreground.shape, dtype=bool)
    voxels = label_voxels(foreground, connectivity)
    if voxels.count == 0:
        return kept
    sizes = np.bincount(voxels.numbers, minlength=voxels.count)
    largest = int(sizes.argmax())
    keep = np.zeros(voxels.count, dtype=bool)
    keep[largest] = True
    if minimum_fraction is not None:
        keep |= sizes > minimum_fraction * sizes[largest]
    if gap is not None and not keep.all():
        own, others = voxels.take(voxels.numbers == largest), voxels.take(~keep[voxels.numbers])
        keep |= component_distances(own, others, reach=gap, spacing=spacing) < gap
    kept[voxels.take(keep[voxels.numbers]).places] = True
    return kept
