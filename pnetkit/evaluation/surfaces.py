"""How far the surfaces of two masks lie from each other: normalized surface Dice and the 95th percentile of distances.

A mask's surface are its voxels with a neighbor across a face that is not of it; what lies at the volume's border has
one beyond it. Distances go from the center of a surface voxel to the nearest center of the other surface, in mm, and
each surface voxel counts once. These are MONAI's numbers (`compute_surface_dice` without subvoxels and
`compute_hausdorff_distance`) wherever both masks hold something.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from pnetkit.imaging.boxes import bounding_box, cut, grow

TOLERANCE_MM = 2.0
"""How far from the other surface a piece of surface may lie and still count as agreeing: NSD's tolerance."""

PERCENTILE = 95
"""Of the distances of each direction; the larger of both is taken."""

ROUNDING_MM = 1e-6
"""A distance of the tolerance, to the last bit of its root, lies within it."""


@dataclass(frozen=True, slots=True)
class SurfaceAgreement:
    """Hold how two surfaces agree: NSD from 0 to 1, and HD95 in mm.

    Both are None where both masks are empty: there is no surface to speak of. Where one is empty, NSD is 0 and HD95
    infinite, as nothing is near nothing.
    """

    nsd: float | None
    hd95_mm: float | None


@dataclass(frozen=True, slots=True)
class SurfaceSummary:
    """Hold the figures of one structure over scans.

    `nsd` is the mean, over `cases`. `hd95_mm` is the median, which is infinite (None, with `cases`) only where half of
    the scans and more are `unbounded`: one of both masks was empty. `undefined` are scans in which both were.
    """

    nsd: float | None
    hd95_mm: float | None
    cases: int
    unbounded: int
    undefined: int


def surface_agreement(
    predicted: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    *,
    tolerance_mm: float = TOLERANCE_MM,
) -> SurfaceAgreement:
    """Compare the surfaces of two masks (x, y, z) of one shape; what it costs grows with the surfaces alone.

    Raises ValueError where the shapes differ.
    """
    if predicted.shape != reference.shape:
        raise ValueError(f"the masks differ in shape: prediction {predicted.shape} and reference {reference.shape}")
    one, two = surface_mm(predicted, spacing_mm), surface_mm(reference, spacing_mm)
    if not len(one) and not len(two):
        return SurfaceAgreement(None, None)
    if not len(one) or not len(two):
        return SurfaceAgreement(0.0, math.inf)
    ways = KDTree(two).query(one)[0], KDTree(one).query(two)[0]
    near = sum(int(np.count_nonzero(way <= tolerance_mm + ROUNDING_MM)) for way in ways)
    far = max(float(np.percentile(way, PERCENTILE)) for way in ways)
    return SurfaceAgreement(near / (len(one) + len(two)), far)


def surface_mm(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Give the centers (n, 3) of a mask's surface voxels in mm along the axes; none of an empty mask."""
    box = bounding_box(mask)
    if box is None:
        return np.zeros((0, 3))
    around = grow(box, 1)
    inside = cut(mask, around, fill=False)
    edge = inside & ~ndimage.binary_erosion(inside)
    centers: NDArray[np.float64] = (np.argwhere(edge) + np.array(around.start)) * np.array(spacing_mm)
    return centers


def summarize_surfaces(of: Sequence[SurfaceAgreement]) -> SurfaceSummary:
    """Give the mean NSD and the median HD95 over scans."""
    nsd = [one.nsd for one in of if one.nsd is not None]
    ways = [one.hd95_mm for one in of if one.hd95_mm is not None]
    middle = median(ways) if ways else None
    return SurfaceSummary(
        nsd=fmean(nsd) if nsd else None,
        hd95_mm=middle if middle is not None and math.isfinite(middle) else None,
        cases=len(nsd),
        unbounded=sum(math.isinf(way) for way in ways),
        undefined=len(of) - len(nsd),
    )
