"""Find what an abdominal CT shows without a network: body, spine, a contrast-filled vessel in front of it, the liver.

Rules of anatomy and Hounsfield units, on blocks of a few millimeters. They see what is plain to see: an aorta with
contrast in it, a liver of usual size on its side. What they do not find is None, and is no proof of absence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pnetkit.types import Scan

BLOCK_MM = 2.0
"""Edge of the blocks that voxels are averaged to: noise falls, a vessel of 12 mm stays six blocks wide."""

SLICE_MM = 5.0
"""Distance of the axial slices that are looked at."""

VESSEL_RADIUS_MM, SURROUNDINGS_MM = 5.5, (15.0, 19.0)
"""A disc within the aorta, and a ring around it; an adult's abdominal aorta is 12 to 25 mm wide."""

VESSEL_HU = (90.0, 500.0)
"""Blood without contrast has 30 to 50 HU; dense end plates and metal lie above."""

STANDS_OUT_HU = 30.0
"""How far a vessel lies above half of what is around it; the other half may be a vertebra."""

VESSEL_RUN_MM = 25.0
"""How far a vessel has to run along the body: loops of bowel with oral contrast and end plates are shorter."""

BEFORE_SPINE_MM, BESIDE_SPINE_MM = (21.0, 90.0), (-32.0, 20.0)
"""Where the aorta lies, from the back quarter of the spine's bone: to the front (+y) and to the sides (+x is right)."""

LIVER_HU, LIVER_SPREAD_HU, LIVER_DEPTH_MM = (0.0, 170.0), 30.0, 12.0
"""Solid tissue, in blocks of 4 mm; even within a few millimeters; and what is this far from its surface is core."""

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Hold what was found: HU of the brightest vessel before the spine, HU of the liver's core, its volume by side.

    `cut_off_share` is the share of slices whose body reaches both lateral borders of the image. `height_mm` is the
    extent of the scan along the body.
    """

    vessel_hu: float | None
    liver_hu: float | None
    right_core_ml: float
    left_core_ml: float
    cut_off_share: float
    height_mm: float


@dataclass(frozen=True, slots=True)
class _Disc:
    """One bright disc in a slice, in millimeters from the spine."""

    hu: float
    x_mm: float
    y_mm: float


def find_landmarks(scan: Scan) -> Landmarks:
    """Find the landmarks of a CT that lies about along the axes (RAS+ order)."""
    blocks, edges = _blocks(scan, (BLOCK_MM, BLOCK_MM, BLOCK_MM))
    step = max(1, round(SLICE_MM / edges[2]))
    slices = [np.ascontiguousarray(blocks[:, :, z]) for z in range(0, blocks.shape[2], step)]
    bodies = [_body(plane) for plane in slices]
    discs = [_discs(plane, body, edges) for plane, body in zip(slices, bodies, strict=True)]
    cut_off = [bool(body[0].any() and body[-1].any()) for body in bodies]
    liver_hu, right, left = _liver(scan)
    return Landmarks(
        _vessel(discs, step * edges[2]),
        liver_hu,
        right,
        left,
        float(np.mean(cut_off)),
        scan.grid.shape[2] * scan.grid.spacing_mm[2],
    )


def _blocks(scan: Scan, wanted_mm: Sequence[float]) -> tuple[NDArray[np.float32], tuple[float, ...]]:
    """Average voxels to blocks of about the wanted edges; give the blocks and their edges."""
    spacing = scan.grid.spacing_mm
    sizes = [
        max(1, min(n, round(want / have))) for n, want, have in zip(scan.hu.shape, wanted_mm, spacing, strict=True)
    ]
    x, y, z = (n // size for n, size in zip(scan.hu.shape, sizes, strict=True))
    cut = scan.hu[: x * sizes[0], : y * sizes[1], : z * sizes[2]]
    split = cut.reshape(x, sizes[0], y, sizes[1], z, sizes[2])
    means: NDArray[np.float32] = split.mean(axis=(1, 3, 5), dtype=np.float32)
    return means, tuple(have * size for have, size in zip(spacing, sizes, strict=True))


def _body(plane: Plane) -> NDArray[np.bool_]:
    """Find the body in an axial slice: its largest piece, without the couch."""
    tissue = ndimage.binary_opening(np.pad(plane, 3, mode="edge") > -300, iterations=3)[3:-3, 3:-3]  # noqa: PLR2004
    pieces, count = ndimage.label(tissue)
    if count == 0:
        return np.zeros(plane.shape, dtype=bool)
    sizes = np.bincount(pieces.reshape(-1))
    sizes[0] = 0
    return np.asarray(ndimage.binary_fill_holes(pieces == int(sizes.argmax())))


def _spine(plane: Plane, body: NDArray[np.bool_], edges: Sequence[float]) -> tuple[float, float] | None:
    """Give the place of the bone in the back half of the body, near its midline, in blocks.

    The middle from side to side; from back to front the first quarter, which an aorta as bright as bone does not shift.
    """
    xs, ys = np.nonzero(body)
    if xs.size * edges[0] * edges[1] < 8000:  # noqa: PLR2004  # mm²: less than a child's waist
        return None
    low, high = np.percentile(ys, [1, 99])
    middle = np.percentile(xs, [1, 99]).mean()
    bone_x, bone_y = np.nonzero((plane > 200) & body)  # noqa: PLR2004
    near = (bone_y < low + (high - low) / 2) & (np.abs(bone_x - middle) * edges[0] < 60)  # noqa: PLR2004
    if near.sum() * edges[0] * edges[1] < 150:  # noqa: PLR2004  # mm²
        return None
    return float(np.median(bone_x[near])), float(np.percentile(bone_y[near], 25))


def _discs(plane: Plane, body: NDArray[np.bool_], edges: Sequence[float]) -> list[_Disc]:
    """List the bright, even discs before the spine that stand out from what is around them, the brightest first."""
    spine = _spine(plane, body, edges)
    if spine is None:
        return []
    disc, ring = _ring(0.0, VESSEL_RADIUS_MM, edges), _ring(*SURROUNDINGS_MM, edges)
    weights = disc / disc.sum()
    mean = ndimage.correlate(plane, weights, mode="nearest")
    spread = np.sqrt(np.maximum(ndimage.correlate(plane * plane, weights, mode="nearest") - mean * mean, 0))
    around = np.argwhere(ring > 0) - np.array(ring.shape) // 2
    reach = max(ring.shape) // 2
    bright = (mean > VESSEL_HU[0]) & (mean < VESSEL_HU[1]) & (spread < np.maximum(14.0, 0.09 * mean))
    places = np.argwhere(bright)
    offset = (places - np.array(spine)) * np.array(edges[:2])
    inside = (places >= reach).all(axis=1) & (places < np.array(plane.shape) - reach).all(axis=1)
    for axis, (low, high) in enumerate((BESIDE_SPINE_MM, BEFORE_SPINE_MM)):
        inside &= (offset[:, axis] >= low) & (offset[:, axis] <= high)
    found: list[_Disc] = []
    order = np.argsort(-mean[tuple(places[inside].T)], kind="stable")
    for place, at in zip(places[inside][order], offset[inside][order], strict=True):
        if any(np.hypot(at[0] - other.x_mm, at[1] - other.y_mm) < VESSEL_RADIUS_MM * 2 for other in found):
            continue
        hu = float(mean[tuple(place)])
        if float(np.median(plane[tuple((place + around).T)])) < hu - STANDS_OUT_HU:
            found.append(_Disc(hu, float(at[0]), float(at[1])))
    return found


def _ring(inner_mm: float, outer_mm: float, edges: Sequence[float]) -> Plane:
    reach = [int(np.ceil(outer_mm / edge)) for edge in edges[:2]]
    x, y = np.meshgrid(*(np.arange(-n, n + 1) * edge for n, edge in zip(reach, edges, strict=False)), indexing="ij")
    away = np.hypot(x, y)
    return np.asarray((away >= inner_mm) & (away <= outer_mm), dtype=np.float32)


def _vessel(discs: Sequence[Sequence[_Disc]], step_mm: float) -> float | None:
    """Follow discs from slice to slice and give the HU of the brightest long run; None where none is long."""
    runs: list[list[_Disc]] = []
    growing: list[list[_Disc]] = []
    for here in discs:
        grown: list[list[_Disc]] = []
        free = list(here)
        for run in sorted(growing, key=len, reverse=True):
            last = run[-1]
            near = [disc for disc in free if _continues(last, disc)]
            if near:
                best = min(near, key=lambda disc: abs(disc.hu - last.hu))
                free.remove(best)
                grown.append([*run, best])
            else:
                runs.append(run)
        growing = grown + [[disc] for disc in free]
    long = [run for run in [*runs, *growing] if len(run) * step_mm >= VESSEL_RUN_MM]
    return max((float(np.median([disc.hu for disc in run])) for run in long), default=None)


def _continues(one: _Disc, other: _Disc) -> bool:
    moved = np.hypot(one.x_mm - other.x_mm, one.y_mm - other.y_mm)
    return bool(moved <= 12 and abs(one.hu - other.hu) <= 0.2 * one.hu)  # noqa: PLR2004


def _liver(scan: Scan) -> tuple[float | None, float, float]:
    """Give the HU of the largest even piece of solid tissue in the right half, and milliliters of it on either side."""
    blocks, edges = _blocks(scan, (4.0, 4.0, 4.0))
    mean = ndimage.uniform_filter(blocks, 3)
    spread = np.sqrt(np.maximum(ndimage.uniform_filter(blocks * blocks, 3) - mean * mean, 0))
    even = (blocks > LIVER_HU[0]) & (blocks < LIVER_HU[1]) & (spread < LIVER_SPREAD_HU)
    core = ndimage.distance_transform_edt(np.pad(even, 1), sampling=edges)[1:-1, 1:-1, 1:-1] > LIVER_DEPTH_MM
    body = np.flatnonzero((blocks > -300).any(axis=(1, 2)))  # noqa: PLR2004
    if not core.any() or not body.size:
        return None, 0.0, 0.0
    middle = int((body[0] + body[-1]) // 2)
    block_ml = float(np.prod(edges)) / 1000
    left, right = core[:middle], core[middle:]
    pieces, count = ndimage.label(right)
    if count == 0:
        return None, 0.0, float(left.sum() * block_ml)
    sizes = np.bincount(pieces.reshape(-1))
    sizes[0] = 0
    liver = pieces == int(sizes.argmax())
    return (
        float(np.median(blocks[middle:][liver])),
        float(right.sum() * block_ml),
        float(left.sum() * block_ml),
    )
