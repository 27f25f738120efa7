"""Draw a patient: the shapes of an upper abdomen, with or without tumors, and how its tissues enhance."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from pnetkit.cohort.phantom.shapes import Ellipsoid, Point, Shape, Tube, along


class Tissue(IntEnum):
    """What a voxel is made of."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    BONE = 3
    LIVER = 4
    SPLEEN = 5
    KIDNEY = 6
    BOWEL = 7
    GAS = 8
    AORTA = 9
    CAVA = 10
    PORTAL = 11
    ARTERY = 12
    CYST = 13
    PANCREAS = 14
    TUMOR = 15
    DUCT = 16


HU = {
    "arterial": (-1000, -100, 58, 320, 78, 128, 175, 45, -700, 310, 75, 95, 230, 12, 106, 106, 16),
    "venous": (-1000, -100, 62, 320, 114, 122, 190, 50, -700, 150, 140, 168, 145, 12, 90, 90, 16),
}
"""Mean HU of each tissue by phase; a tumor adds its own contrast to the pancreas."""


@dataclass(frozen=True, slots=True)
class Lesion:
    """A tumor: where, how large, and how much brighter than the pancreas it is in each phase."""

    center: Point
    radius_mm: float
    contrast_hu: dict[str, float]


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A patient: shapes in painting order, lesions, whether the duct is dilated, and how tissues enhance."""

    shapes: tuple[Shape, ...]
    lesions: tuple[Lesion, ...]
    dilated_duct: bool
    enhancement: dict[str, float]
    pancreas_hu: float


def draw_anatomy(rng: np.random.Generator, *, abnormal: bool, difficulty: float) -> Anatomy:
    """Draw a patient. `difficulty` from 0 to 1 makes tumors smaller and fainter."""
    size = rng.uniform(0.92, 1.06)
    gland = _gland(rng, size)
    shapes = [*_body(rng, size), *_organs(rng, size), *_vessels(rng, gland), *_distractors(rng, gland)]
    shapes.append(Tube(gland, _gland_radii(rng, size), Tissue.PANCREAS))
    shapes += _clefts(rng, gland)
    lesions: tuple[Lesion, ...] = ()
    dilated = False
    if abnormal:
        count = 2 if rng.random() < 0.15 else 1  # noqa: PLR2004
        places = rng.uniform(0.1, 0.9, size=count)
        lesions = tuple(_lesion(rng, gland, place, difficulty) for place in places)
        dilated = bool(rng.random() < 0.45)  # noqa: PLR2004
        if dilated:  # upstream of the first tumor, toward the tail
            shapes.append(_duct(rng, gland, float(places[0])))
        shapes += [Ellipsoid(lesion.center, (lesion.radius_mm,) * 3, Tissue.TUMOR) for lesion in lesions]
    enhancement = {phase: float(rng.normal(1.0, 0.07)) for phase in HU}
    return Anatomy(tuple(shapes), lesions, dilated, enhancement, float(rng.normal(0, 7)))


def _body(rng: np.random.Generator, size: float) -> list[Shape]:
    a, b = 108 * size, 80 * size * rng.uniform(0.95, 1.05)
    return [
        Ellipsoid((0, 0, 0), (a, b, 1e4), Tissue.FAT),
        Ellipsoid((0, 0, 0), (a - 7, b - 6, 1e4), Tissue.MUSCLE),
        Ellipsoid((0, 7, 0), (a - 16, b - 19, 1e4), Tissue.FAT),
        Ellipsoid((0, -b + 24, 0), (19, 17, 1e4), Tissue.BONE),
        Ellipsoid((24, -b + 24, 0), (14, 13, 1e4), Tissue.MUSCLE),
        Ellipsoid((-24, -b + 24, 0), (14, 13, 1e4), Tissue.MUSCLE),
    ]


def _organs(rng: np.random.Generator, size: float) -> list[Shape]:
    def at(x: float, y: float, z: float, jitter: float = 4.0) -> Point:
        x, y, z = (np.array([x, y, z]) * size + rng.normal(0, jitter, 3)).tolist()
        return x, y, z

    stomach = at(-38, 38, 38)
    organs: list[Shape] = [
        Ellipsoid(at(56, 14, 46), (46, 48, 52), Tissue.LIVER),
        Ellipsoid(at(-76, -22, 40), (20, 26, 40), Tissue.SPLEEN),
        Ellipsoid(at(55, -34, -28), (19, 18, 42), Tissue.KIDNEY),
        Ellipsoid(at(-57, -32, -16), (19, 18, 42), Tissue.KIDNEY),
        Ellipsoid(stomach, (32, 20, 28), Tissue.BOWEL),
        Ellipsoid((stomach[0], stomach[1] + 8, stomach[2] + 4), (20, 9, 18), Tissue.GAS),
    ]
    for _ in range(int(rng.integers(5, 9))):
        center = (float(rng.uniform(-70, 70)), float(rng.uniform(15, 55)), float(rng.uniform(-90, -30)))
        organs.append(Ellipsoid(center, (float(rng.uniform(9, 16)),) * 3, Tissue.BOWEL))
        if rng.random() < 0.4:  # noqa: PLR2004
            organs.append(Ellipsoid(center, (float(rng.uniform(4, 7)),) * 3, Tissue.GAS))
    return organs


def _gland(rng: np.random.Generator, size: float) -> tuple[Point, ...]:
    """Draw the pancreas' center line: head beside the duodenum, over the great vessels, to the spleen."""
    corners = np.array([[36, 2, -30], [32, 12, -8], [10, 24, 4], [-18, 18, 10], [-42, 0, 18], [-60, -14, 28]])
    corners = corners * size + rng.normal(0, [4, 4, 5], size=(6, 3)) + rng.normal(0, 4, size=3)
    return tuple((float(x), float(y), float(z)) for x, y, z in corners)


def _gland_radii(rng: np.random.Generator, size: float) -> tuple[float, ...]:
    radii = np.array([11.0, 14.0, 10.5, 10.5, 10.0, 8.0]) * size * rng.uniform(0.9, 1.12, size=6)
    return tuple(radii.tolist())


def _vessels(rng: np.random.Generator, gland: tuple[Point, ...]) -> list[Shape]:
    x, y = float(rng.normal(-4, 2)), float(rng.normal(-28, 2))
    behind = tuple((px, py - 11, pz + 2) for px, py, pz in gland[2:])
    above = tuple((px, py - 8 + float(rng.normal(0, 3)), pz + 14 + float(rng.normal(0, 3))) for px, py, pz in gland[2:])
    return [
        Tube(((x, y, -100), (x, y, 100)), (9.5, 10.5), Tissue.AORTA),
        Tube(((x + 22, y + 2, -100), (x + 24, y + 4, 100)), (11, 12), Tissue.CAVA),
        Tube(behind, (6.0, 5.0, 4.5, 4.0), Tissue.PORTAL),
        Tube((behind[0], (40.0, 10.0, 40.0)), (6.5, 7.0), Tissue.PORTAL),
        Tube(((x, y + 6, 12), *above), (4.0, 3.5, 3.2, 3.0, 2.6), Tissue.ARTERY),
    ]


def _distractors(rng: np.random.Generator, gland: tuple[Point, ...]) -> list[Shape]:
    """Draw what looks like a tumor and is none: a splenule, an arterial loop by the gland, a renal cyst."""
    shapes: list[Shape] = []
    tail = gland[-1]
    if rng.random() < 0.4:  # noqa: PLR2004
        center = (tail[0] - float(rng.uniform(4, 10)), tail[1] + float(rng.uniform(-18, 18)), tail[2] + 14)
        shapes.append(Ellipsoid(center, (float(rng.uniform(4, 7)),) * 3, Tissue.SPLEEN))
    if rng.random() < 0.6:  # noqa: PLR2004
        x, y, z = along(gland, float(rng.uniform(0.3, 0.9))).tolist()
        loop = ((x - 8, y - 6, z + 13), (x, y - 4, z + 18), (x + 8, y - 6, z + 13))
        shapes.append(Tube(loop, (3.0, 3.4, 3.0), Tissue.ARTERY))
    if rng.random() < 0.3:  # noqa: PLR2004
        shapes.append(Ellipsoid((-57, -30, -34), (float(rng.uniform(6, 10)),) * 3, Tissue.CYST))
    return shapes


def _clefts(rng: np.random.Generator, gland: tuple[Point, ...]) -> list[Shape]:
    """Draw fat between the lobules, at the gland's surface."""
    clefts: list[Shape] = []
    for _ in range(int(rng.integers(2, 6))):
        center = along(gland, float(rng.uniform(0.05, 0.95)))
        direction = rng.normal(size=3)
        x, y, z = (center + direction / np.linalg.norm(direction) * rng.uniform(9, 12)).tolist()
        clefts.append(Ellipsoid((x, y, z), (float(rng.uniform(2.5, 4.5)),) * 3, Tissue.FAT))
    return clefts


def _lesion(rng: np.random.Generator, gland: tuple[Point, ...], place: float, difficulty: float) -> Lesion:
    """Draw a tumor in the gland, partly sticking out of it; brighter in the arterial phase than in the venous."""
    radius = float(rng.uniform(10.0 - 4.5 * difficulty, 15.0 - 4.0 * difficulty))
    direction = rng.normal(size=3)
    center = along(gland, place) + direction / np.linalg.norm(direction) * rng.uniform(0, 6)
    arterial = float(rng.uniform(60 - 40 * difficulty, 120 - 40 * difficulty))
    venous = float(rng.uniform(30 - 30 * difficulty, 60 - 20 * difficulty))
    x, y, z = center.tolist()
    return Lesion((x, y, z), radius, {"arterial": arterial, "venous": min(venous, arterial)})


def _duct(rng: np.random.Generator, gland: tuple[Point, ...], place: float) -> Tube:
    fractions = np.linspace(min(place, 0.75), 0.97, 6)
    points = [along(gland, float(f)).tolist() for f in fractions]
    radius = float(rng.uniform(3.4, 4.6))
    return Tube(tuple((x, y, z) for x, y, z in points), (radius,) * 6, Tissue.DUCT)
