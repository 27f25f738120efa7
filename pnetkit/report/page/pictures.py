"""Pictures of a crop of a scan: one slice as WebP with outlines over it, and all slices packed to be scrolled through.

Arrays come as `[x, y, z]` in RAS+ order and are shown as radiologists look at them: from the feet, so that the
patient's right is on the left of the picture, and the front at the top.
"""

import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pnetkit.report.page.contours import outline
from pnetkit.types import DUCT, PANCREAS, TUMOR

WINDOW_HU = (-100.0, 240.0)
"""The pancreas's window: the paper's, in which the networks look at it too."""

LOWEST_HU, STEP_HU = -512, 4
"""What a byte of a packed volume means: 0 is the lowest, each further one 4 HU more."""

STRUCTURES = {"pancreas": (PANCREAS, TUMOR, DUCT), "duct": (DUCT,), "tumor": (TUMOR,)}
"""What has an outline, in the order of drawing, and of which labels: the pancreas is that with what is in it."""

MOST_VOXELS = 1_200_000
"""Voxels of a packed volume; a larger one is thinned out, and that is said."""

QUALITY = 82


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """Hold the part of a scan that is shown: HU, what is found, what is true (None: not known), on one small grid.

    `spacing_mm` are the voxel's edges, `lowest_mm` is where the first slice lies along the patient's axis. Gray is
    what lies within `window_hu`. `is_whole` says that nothing was found to crop to.
    """

    hu: NDArray[np.float32]
    found: NDArray[np.uint8] | None
    truth: NDArray[np.uint8] | None
    spacing_mm: tuple[float, float, float]
    lowest_mm: float
    window_hu: tuple[float, float] = WINDOW_HU
    is_whole: bool = False

    def slice_at(self, position_mm: float) -> int:
        """Give the slice nearest to a position along the patient's axis."""
        place: int = round((position_mm - self.lowest_mm) / self.spacing_mm[2])
        last = int(self.hu.shape[2]) - 1
        return min(max(place, 0), last)

    def position_mm(self, index: int) -> float:
        """Give where a slice lies along the patient's axis."""
        return self.lowest_mm + index * self.spacing_mm[2]

    @property
    def label_maps(self) -> dict[str, NDArray[np.uint8]]:
        """Give the maps that are there, by who says so."""
        maps = {"reference": self.truth, "prediction": self.found}
        return {who: labels for who, labels in maps.items() if labels is not None}


@dataclass(frozen=True, slots=True)
class Outline:
    """Hold the outline of one structure, by reference or prediction, as a path in voxels of the picture."""

    structure: str
    who: str
    path: str


@dataclass(frozen=True, slots=True)
class Still:
    """Hold one slice: a WebP of `width` times `height` voxels of an edge length in mm, with its outlines."""

    webp: bytes
    width: int
    height: int
    voxel_mm: tuple[float, float]
    position_mm: float
    outlines: tuple[Outline, ...]
    link: str = ""
    """Where the picture is, of a page that links to its files."""

    @property
    def shown(self) -> tuple[str, ...]:
        """Give in words whose outlines are on it."""
        return tuple(f"{of.structure} ({of.who})" for of in self.outlines)


@dataclass(frozen=True, slots=True)
class Volume:
    """Hold all slices, packed: bytes of HU, then of labels (found + 4 * true), each slice by slice, row by row."""

    packed: bytes
    width: int
    height: int
    slices: int
    first: int
    lowest_mm: float
    step_mm: float
    thinned: tuple[int, int, int]
    window_hu: tuple[float, float] = WINDOW_HU
    link: str = ""
    name: str = ""

    @property
    def is_thinned(self) -> bool:
        """Tell whether only every nth voxel is in it."""
        return max(self.thinned) > 1


def still(crop: Crop, index: int) -> Still:
    """Draw one slice of a crop."""
    gray = windowed(as_seen(crop.hu[:, :, index]), crop.window_hu)
    outlines = [
        Outline(structure, who, path)
        for structure, values in STRUCTURES.items()
        for who, labels in crop.label_maps.items()
        if (path := outline(np.isin(as_seen(labels[:, :, index]), values)))
    ]
    data = io.BytesIO()
    Image.fromarray(gray).save(data, "WEBP", quality=QUALITY, method=4)
    height, width = gray.shape
    place = round(crop.position_mm(index), 1)
    return Still(data.getvalue(), width, height, crop.spacing_mm[:2], place, tuple(outlines))


def packed(crop: Crop, index: int) -> Volume:
    """Pack a crop to be scrolled through, beginning at a slice."""
    steps = thinning(crop.hu.shape, crop.spacing_mm)
    sx, sy, sz = steps
    first = index % sz  # so that the slice of the still is among those that stay
    part = (slice(None, None, sx), slice(None, None, sy), slice(first, None, sz))
    levels = np.clip(np.rint((crop.hu[part] - LOWEST_HU) / STEP_HU), 0, 255).astype(np.uint8)
    labels = np.zeros(levels.shape, dtype=np.uint8)
    if crop.found is not None:
        labels += crop.found[part]
    if crop.truth is not None:
        labels += 4 * crop.truth[part]
    planes = [np.ascontiguousarray(as_seen(volume)) for volume in (levels, labels)]
    slices, height, width = planes[0].shape
    data = gzip.compress(b"".join(plane.tobytes() for plane in planes), 6, mtime=0)
    place, step = crop.position_mm(first), crop.spacing_mm[2] * sz
    return Volume(data, width, height, slices, index // sz, round(place, 3), round(step, 4), steps, crop.window_hu)


def thinning(shape: tuple[int, ...], spacing_mm: tuple[float, float, float]) -> tuple[int, int, int]:
    """Say of how many voxels one is kept along each axis, for no more than `MOST_VOXELS` in all.

    Slices are left out until they lie three times as far apart as the voxels of a slice, then both go on together.
    """
    steps = [1, 1, 1]
    while np.prod([-(-n // s) for n, s in zip(shape, steps, strict=True)]) > MOST_VOXELS:
        edges = [s * mm for s, mm in zip(steps, (*spacing_mm[:2], spacing_mm[2] / 3), strict=True)]
        finest = int(np.argmin(edges))
        axes = (0, 1) if finest < 2 else (2,)  # noqa: PLR2004  # both axes of a picture together
        for axis in axes:
            steps[axis] += 1
    return steps[0], steps[1], steps[2]


def as_seen(volume: NDArray[np.generic]) -> NDArray[np.generic]:
    """Turn a slice (x, y) into a picture (row, column), or a volume (x, y, z) into its pictures (z, row, column)."""
    turned = volume[::-1, ::-1]
    return turned.T if turned.ndim == 2 else np.transpose(turned, (2, 1, 0))  # noqa: PLR2004


def windowed(hu: NDArray[np.generic], window_hu: tuple[float, float]) -> NDArray[np.uint8]:
    """Give Hounsfield units as gray."""
    low, high = window_hu
    gray: NDArray[np.uint8] = np.clip(np.rint((hu.astype(np.float32) - low) * (255 / (high - low))), 0, 255).astype(
        np.uint8
    )
    return gray


def chosen_position_mm(crops: Mapping[str, Crop]) -> float | None:
    """Choose where along the patient's axis a case is shown: most tumor of all phases, else duct, else pancreas.

    What is true and what is found count alike, in mm². None where there is no label at all.
    """
    for values in (STRUCTURES["tumor"], STRUCTURES["duct"], STRUCTURES["pancreas"]):
        areas: dict[float, float] = {}
        profiles = {phase: _profile(crop, values) for phase, crop in crops.items()}
        for phase, profile in profiles.items():
            for index in np.flatnonzero(profile).tolist():
                place = crops[phase].position_mm(index)
                areas[place] = sum(
                    float(profiles[of][crop.slice_at(place)])
                    for of, crop in crops.items()
                    if abs(crop.position_mm(crop.slice_at(place)) - place) <= crop.spacing_mm[2]
                )
        if areas:
            return max(areas, key=lambda place: areas[place])
    return None


def _profile(crop: Crop, values: tuple[int, ...]) -> NDArray[np.float64]:
    """Give the area in mm² of some labels in each slice, in truth and finding together."""
    voxel_mm2 = crop.spacing_mm[0] * crop.spacing_mm[1]
    counts = [np.isin(labels, values).sum(axis=(0, 1)) for labels in crop.label_maps.values()]
    return np.sum(counts, axis=0) * voxel_mm2 if counts else np.zeros(crop.hu.shape[2])
