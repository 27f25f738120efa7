"""Prepare a labeled scan for training: one file that can be memory-mapped, with the indices of its foreground.

HU beyond the recipe's window are moved to its edge, as every patch's would be. What a training reads is the same as
before, so the key is too, and what an earlier release prepared is read as it is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pnetkit.cohort.check import CheckedCase
from pnetkit.files import read_json, write_json
from pnetkit.imaging.intensity import Intensity
from pnetkit.imaging.lost_lesions import lost_lesions
from pnetkit.imaging.nifti import read_grid
from pnetkit.imaging.spacing import Spacing, labels_on
from pnetkit.label_sets import merged, on_other_grid
from pnetkit.method.network_input import fitted_intensity
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.draft import Draft
from pnetkit.pipeline.stages.scans import Reading, read_reference, read_scans, reading_of, required_label
from pnetkit.pipeline.stages.stage import Stage
from pnetkit.store.node import File, Node, Ref, Subject
from pnetkit.store.store import Store
from pnetkit.training.prepared_file import write_prepared
from pnetkit.training.sampling import StoredCase, TrainingCase, foreground_indices, load_case
from pnetkit.types import Grid

CASE = "case.safetensors"
"""The volumes, as training reads them."""

INTENSITY = "intensity.json"
"""The intensity transform of each channel."""


@dataclass(frozen=True, slots=True)
class PrepareSpec:
    """All of it is in the key."""

    stage: ClassVar[str] = "prepare"
    version: ClassVar[int] = 2

    reading: Reading
    label: File
    labels: Mapping[str, Any]
    annotated: tuple[str, ...] | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """Give how scans and labels are read, and which classes are annotated where these are not all."""
        said = {} if self.annotated is None else {"annotated": list(self.annotated)}
        return self.reading.identity | {"labels": dict(self.labels)} | said

    @property
    def inputs(self) -> dict[str, Ref]:
        """Give nothing: it builds on files alone."""
        return {}

    @property
    def files(self) -> dict[str, File]:
        """Give the images and the reference label."""
        return self.reading.files | {"label": self.label}


def draft(draft: Draft, item: CheckedCase, spacing_mm: Spacing | None) -> Node:
    """Lay out the reading of a training case at a spacing."""
    key = item.case.id, spacing_mm
    if key not in draft.prepared:
        reading, label = reading_of(draft, item, spacing_mm), required_label(draft.seen, item)
        spec = PrepareSpec(reading, label, draft.labels, draft.annotated_of(item))
        draft.prepared[key] = draft.add(spec, Subject(draft.seen.name, item.case.id))
    return draft.prepared[key]


def run(spec: PrepareSpec, _context: Context, folder: Path) -> dict[str, Any]:
    """Write the case's file (HU as int16 where that loses nothing, within the window), and `intensity.json`.

    At a spacing, lesions of which no voxel is left are counted: nothing can be learned from them.
    """
    scans = read_scans(spec.reading.images, spec.reading.spacing_mm)
    grid = scans[0].grid
    intensities = [fitted_intensity(spec.reading.intensity, scan.hu) for scan in scans]
    channels = _in_window([scan.hu for scan in scans], intensities)
    del scans
    labels, lost = _labels_at(spec, grid)
    foreground, lesion = foreground_indices(labels)
    write_prepared(folder / CASE, channels, merged(labels, spec.annotated), foreground, lesion)
    write_json(folder / INTENSITY, [asdict(intensity) for intensity in intensities])
    return {"foreground_voxels": int(foreground.size), "lesion_voxels": int(lesion.size)} | lost


def read(
    store: Store,
    ref: Ref,
    *,
    case_id: str,
    abnormal: bool | None,
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> TrainingCase | StoredCase:
    """Name a prepared case, whose file is mapped when patches are drawn; or open what an earlier release prepared."""
    folder = store.of(ref)
    intensities = tuple(Intensity(**channel) for channel in read_json(folder / INTENSITY))
    if (folder / CASE).is_file():
        return StoredCase(case_id, folder / CASE, intensities, abnormal, spacing_mm)
    case = load_case(folder, case_id=case_id, intensities=intensities, abnormal=abnormal)
    return replace(case, spacing_mm=spacing_mm)


def _labels_at(spec: PrepareSpec, grid: Grid) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Read the labels on the grid of the scan that was read, and say what a spacing left of the lesions."""
    labels = read_reference(spec.label, spec.labels)
    if spec.reading.spacing_mm is None:
        return labels, {}
    own = read_grid(spec.reading.images[0].path)
    here = labels if own.matches(grid) else on_other_grid(labels, lambda of: labels_on(of, own, grid))
    return here, {"spacing_mm": list(spec.reading.spacing_mm), "lesions": lost_lesions(labels, own, here, grid)}


def _in_window(
    channels: Sequence[NDArray[np.float32]], intensities: Sequence[Intensity]
) -> list[NDArray[np.int16]] | list[NDArray[np.float32]]:
    """Move values beyond each channel's window to its edge, or as whole numbers to the next one beyond it."""
    whole = [hu.astype(np.int16) for hu in channels]
    limits = [(of.low_hu, of.high_hu) for of in intensities]
    if not all(np.array_equal(of, hu) for of, hu in zip(whole, channels, strict=True)):
        return [
            np.clip(hu, np.float32(low), np.float32(high)) for hu, (low, high) in zip(channels, limits, strict=True)
        ]
    beyond = [np.clip([math.floor(low), math.ceil(high)], -(2**15), 2**15 - 1).astype(np.int16) for low, high in limits]
    return [np.clip(hu, *of, out=hu) for hu, of in zip(whole, beyond, strict=True)]


STAGE = Stage(PrepareSpec.stage, run)
