"""Draw training patches from prepared cases.

The patches of an iteration depend on the seed and the iteration's number alone, so that a resumed training draws what
the uninterrupted one would have drawn, and no generator state has to be kept.

Where a patch lies (the paper is silent; HeartSeg and OrganSegC2F sample around the organ's box): with probability
`foreground_fraction` it is centered on a random voxel of the pancreas set (labels 1-3), and of these a share of
`lesion_fraction` on tumor or duct when the case has any; otherwise it lies anywhere in the volume, because a test that
slides over the whole volume needs negatives from everywhere. The center is jittered by up to a quarter of the patch.

A network sees the zero padding at the edges of its patches, so it learns to answer for one size of them. Where it shall
answer for larger windows too, some steps draw larger patches instead (`MixedPatches`; not of the paper).

`balanced` draws normal and abnormal cases alike, and cases of unknown diagnosis as often as `uniform` would.
"""

import math
import mmap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pnetkit.imaging.boxes import Box, cut
from pnetkit.imaging.intensity import Intensity
from pnetkit.label_sets import in_file
from pnetkit.training.bricks import Bricks, cut_bricks
from pnetkit.training.prepared_file import map_prepared
from pnetkit.types import BACKGROUND, PANCREAS, Triple


@dataclass(frozen=True, slots=True, eq=False)
class TrainingCase:
    """Hold one case as training reads it; the arrays may be memory maps.

    `hu` (channel, x, y, z) or bricks of each channel, `labels` (x, y, z) uint8 or their bricks; `foreground` and
    `lesion` are flat indices into the labels of the voxels of the pancreas set, and of tumor and duct. One `intensity`
    for each channel. `abnormal` is None where the diagnosis is unknown. `spacing_mm` are the voxels' edges.
    """

    id: str
    hu: NDArray[np.generic] | tuple[Bricks, ...]
    labels: NDArray[np.uint8] | Bricks
    foreground: NDArray[np.int64]
    lesion: NDArray[np.int64]
    intensities: tuple[Intensity, ...]
    abnormal: bool | None
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class StoredCase:
    """Name a case in a file that `write_prepared` wrote; it is read when a patch of it is drawn."""

    id: str
    path: Path
    intensities: tuple[Intensity, ...]
    abnormal: bool | None
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def mapped(self) -> TrainingCase:
        """Map the case into memory. Raises StoreError for a damaged file."""
        found = map_prepared(self.path)
        arrays = found.hu, found.labels, found.foreground, found.lesion
        return TrainingCase(self.id, *arrays, self.intensities, self.abnormal, self.spacing_mm)


@dataclass(frozen=True, slots=True)
class MixedPatches:
    """Say which share of the steps draws patches of another size: as many as have the voxels of the usual ones."""

    size: Triple
    share: float


@dataclass(frozen=True, slots=True)
class Sampling:
    """Say how patches are drawn. Fractions are probabilities in [0, 1]; a batch divides into `accumulation` parts."""

    patch_size: Triple
    batch_size: int
    foreground_fraction: float
    lesion_fraction: float
    case_sampling: Literal["uniform", "balanced"]
    mixed: tuple[MixedPatches, ...] = ()
    accumulation: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Hold patches `x` (patch, channel, x, y, z) float32, their labels `y` (patch, x, y, z) uint8, the batch's cases.

    Where only a share of the batch was read, these are its patches from number `first` on.
    """

    x: NDArray[np.float32]
    y: NDArray[np.uint8]
    case_ids: tuple[str, ...]
    first: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """Say which of the `of` equal parts of a batch are meant: one process reads only what it computes."""

    parts: range
    of: int

    def patches(self, batch_size: int) -> slice:
        """Give the places of their patches in a batch."""
        return slice(batch_size * self.parts.start // self.of, batch_size * self.parts.stop // self.of)


WHOLE = Share(range(1), 1)
"""The whole batch."""


def foreground_indices(labels: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the flat indices of the pancreas set (labels 1-3), and of tumor and duct (labels 2-3) of a file."""
    flat = in_file(labels).reshape(-1)
    foreground = np.flatnonzero(flat > BACKGROUND)
    return foreground, foreground[flat[foreground] > PANCREAS]


def read_patch(case: TrainingCase, box: Box) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Read a patch (channel, x, y, z) of network input and its labels (x, y, z); beyond the volume lies air."""
    channels = zip(case.hu, case.intensities, strict=True)
    image = np.stack([intensity.apply(_cut(hu, box, intensity.low_hu)) for hu, intensity in channels])
    return image, _cut(case.labels, box, BACKGROUND)


def _as_it_lies(case: TrainingCase, box: Box, _number: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    return read_patch(case, box)


ReadPatch = Callable[[TrainingCase, Box, int], tuple[NDArray[np.float32], NDArray[np.uint8]]]
"""Reads the patch of a box, which has a number in its batch."""


def draw_batch(
    cases: Sequence[TrainingCase | StoredCase],
    sampling: Sampling,
    rng: np.random.Generator,
    share: Share = WHOLE,
    read_one: ReadPatch = _as_it_lies,
) -> Batch:
    """Draw the patches of one iteration, each from a case drawn anew, and read those of a share of it.

    Raises StoreError where the file of a case is damaged.
    """
    sampling = _of_this_step(sampling, rng)
    chosen = [_draw_case(cases, sampling, rng) for _ in range(sampling.batch_size)]
    there = {number: _opened(cases[number]) for number in sorted(set(chosen))}
    drawn = [there[number] for number in chosen]
    boxes = [_draw_box(case, sampling, rng) for case in drawn]
    read = share.patches(sampling.batch_size)
    places = list(zip(drawn, boxes, strict=True))[read]
    patches = [read_one(case, box, read.start + i) for i, (case, box) in enumerate(places)]
    x, y = (np.stack(volumes) for volumes in zip(*patches, strict=True))
    release_pages(case for case, _ in places)
    return Batch(x, y, tuple(case.id for case in drawn), first=read.start)


def load_case(folder: Path, *, case_id: str, intensities: tuple[Intensity, ...], abnormal: bool | None) -> TrainingCase:
    """Open a case of plain arrays (`hu.npy`, `labels.npy`, …), as earlier versions prepared it, as memory maps."""
    hu, labels, foreground, lesion = (
        np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("hu", "labels", "foreground", "lesion")
    )
    return TrainingCase(case_id, hu, labels, foreground, lesion, intensities, abnormal)


def release_pages(cases: Iterable[TrainingCase]) -> None:
    """Give the pages of memory-mapped cases back to the system, which keeps them as long as it has room.

    Otherwise a training ends with all of its cases in its own memory. Nothing is lost: a page is mapped again when it
    is read. Arrays that are no maps are left alone, as is a system that cannot do it.
    """
    for case in cases:
        for array in (case.hu, case.labels, case.foreground, case.lesion):
            pages = getattr(array, "_mmap", None)
            if isinstance(pages, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
                pages.madvise(mmap.MADV_DONTNEED)


def _of_this_step(sampling: Sampling, rng: np.random.Generator) -> Sampling:
    if not sampling.mixed:
        return sampling
    drawn = rng.random()
    for other in sampling.mixed:
        drawn -= other.share
        if drawn < 0:
            return with_patches(sampling, other.size)
    return sampling


def with_patches(sampling: Sampling, size: Triple) -> Sampling:
    """Give the sampling with patches of another size: no more voxels, but at least one patch in a micro-batch."""
    many = sampling.batch_size * math.prod(sampling.patch_size) // math.prod(size)
    many = max(many // sampling.accumulation, 1) * sampling.accumulation
    return replace(sampling, patch_size=size, batch_size=many, mixed=())


def _opened(case: TrainingCase | StoredCase) -> TrainingCase:
    return case.mapped() if isinstance(case, StoredCase) else case


def _draw_case(cases: Sequence[TrainingCase | StoredCase], sampling: Sampling, rng: np.random.Generator) -> int:
    if sampling.case_sampling == "balanced":
        unknown = [i for i, case in enumerate(cases) if case.abnormal is None]
        if unknown and rng.random() < len(unknown) / len(cases):  # as often as any case; they weigh for neither side
            return unknown[int(rng.integers(len(unknown)))]
        wanted = bool(rng.integers(2))
        group = [i for i, case in enumerate(cases) if case.abnormal is wanted]
        if group:
            return group[int(rng.integers(len(group)))]
    return int(rng.integers(len(cases)))


def _draw_box(case: TrainingCase, sampling: Sampling, rng: np.random.Generator) -> Box:
    shape, size = case.labels.shape, sampling.patch_size
    if rng.random() < sampling.foreground_fraction and case.foreground.size:
        wants_lesion = rng.random() < sampling.lesion_fraction and case.lesion.size > 0
        voxels = case.lesion if wants_lesion else case.foreground
        center = np.array(np.unravel_index(int(voxels[int(rng.integers(voxels.size))]), shape))
        jitter = [int(rng.integers(-(s // 4), s // 4 + 1)) for s in size]
        start = [int(c) + j - s // 2 for c, j, s in zip(center, jitter, size, strict=True)]
    else:
        start = [int(rng.integers(max(n - s, 0) + 1)) for n, s in zip(shape, size, strict=True)]
    # A patch lies inside the volume; an axis shorter than the patch is centered in it.
    x, y, z = (min(max(a, 0), n - s) if n >= s else -((s - n) // 2) for a, n, s in zip(start, shape, size, strict=True))
    return Box((x, y, z), (x + size[0], y + size[1], z + size[2]))


def _cut(volume: NDArray[Any] | Bricks, box: Box, fill: float) -> NDArray[Any]:
    return cut_bricks(volume, box, fill=fill) if isinstance(volume, Bricks) else cut(volume, box, fill=fill)
