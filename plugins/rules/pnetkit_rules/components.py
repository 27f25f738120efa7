"""The component rule (the paper, Section 3.2): keep what belongs to the pancreas, drop what lies about the body.

Of the union foreground (labels 1-3; only there does "near the largest" remove a tumor far away) the largest component
stays, and with it every component larger than 20 % of it or less than 27 voxels away. The distance is the smallest one
between voxel centers of the two; the paper says neither which distance it is nor which connectivity it uses.

Everything is done inside boxes: labels in the box of the foreground, distances in the box of the largest component.
"""

import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage
from scipy.spatial import cKDTree

from pnetkit.types import BACKGROUND, Segmentation

Connectivity = Literal[6, 18, 26]

_RANK = {6: 1, 18: 2, 26: 3}


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
        connectivity: Annotated[Connectivity, Field(description="Neighbors of a voxel.")] = 26,
        scope: Annotated[
            Literal["union", "per-class"], Field(description="Components of the union of labels, or of each label.")
        ] = "union",
    ) -> None:
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
    boxes = ndimage.find_objects(foreground.view(np.uint8))
    if not boxes or boxes[0] is None:
        return kept
    inside = foreground[boxes[0]]
    components, count = _label(inside, connectivity)
    # slice by slice: bincount makes eight bytes of every voxel that it is given
    sizes = np.sum([np.bincount(part.reshape(-1), minlength=count + 1) for part in components], axis=0)
    sizes[0] = 0
    largest = int(sizes.argmax())
    keep = np.zeros(count + 1, dtype=bool)
    keep[largest] = True
    if minimum_fraction is not None:
        keep |= sizes > minimum_fraction * sizes[largest]
    if gap is not None and not keep[1:].all():
        keep |= _close(components, largest, keep, gap, spacing)
    keep[0] = False
    kept[boxes[0]] = keep[components]
    return kept


def _label(mask: NDArray[np.bool_], connectivity: Connectivity) -> tuple[NDArray[np.integer[Any]], int]:
    """Number the components, in two bytes a voxel where these suffice."""
    neighbors = ndimage.generate_binary_structure(3, _RANK[connectivity])
    components: Any = np.zeros(mask.shape, dtype=np.uint16)
    try:
        count: Any = ndimage.label(mask, neighbors, output=components)
    except RuntimeError:  # more than 65,535 components
        components, count = ndimage.label(mask, neighbors)
    return components, int(count)


def _close(
    components: NDArray[np.integer[Any]],
    largest: int,
    settled: NDArray[np.bool_],
    gap: float,
    spacing: tuple[float, float, float],
) -> NDArray[np.bool_]:
    """Tell which components have a voxel closer than `gap` to the largest one; the settled ones are not looked at."""
    own = ndimage.find_objects(components, max_label=largest)[largest - 1]
    reach = [math.ceil(gap / s) for s in spacing]
    around = tuple(slice(max(s.start - r, 0), s.stop + r) for s, r in zip(own, reach, strict=True))
    near = components[around]
    found = np.zeros(settled.size, dtype=bool)
    open_voxels = np.argwhere((near > 0) & ~settled[near])
    if open_voxels.size == 0:
        return found
    mask = near == largest
    surface = np.argwhere(mask & ~ndimage.binary_erosion(mask, border_value=0))
    tree = cKDTree(surface * np.array(spacing))
    # The tree looks no further than just above the gap; infinity stands for everything beyond.
    distances, _ = tree.query(open_voxels * np.array(spacing), distance_upper_bound=gap * (1 + 1e-6) + 1e-6)
    close = distances < gap
    found[near[tuple(open_voxels[close].T)]] = True
    return found
