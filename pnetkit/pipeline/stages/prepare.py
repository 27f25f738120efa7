"""Prepare a labeled scan for training: arrays that can be memory-mapped, and the indices of its foreground."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pnetkit.cohort.check import CheckedCase
from pnetkit.files import read_json, write_json
from pnetkit.imaging.intensity import Intensity
from pnetkit.method.network_input import fitted_intensity
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.draft import Draft
from pnetkit.pipeline.stages.scans import Reading, read_reference, read_scans, reading_of, required_label
from pnetkit.pipeline.stages.stage import Stage
from pnetkit.store.node import File, Node, Ref, Subject
from pnetkit.store.store import Store
from pnetkit.training.sampling import TrainingCase, foreground_indices, load_case

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

    @property
    def identity(self) -> dict[str, Any]:
        """Give how scans and labels are read."""
        return self.reading.identity | {"labels": dict(self.labels)}

    @property
    def inputs(self) -> dict[str, Ref]:
        """Give nothing: it builds on files alone."""
        return {}

    @property
    def files(self) -> dict[str, File]:
        """Give the images and the reference label."""
        return self.reading.files | {"label": self.label}


def draft(draft: Draft, item: CheckedCase) -> Node:
    """Lay out the reading of a training case."""
    spec = PrepareSpec(reading_of(draft, item), required_label(draft.seen, item), draft.labels)
    return draft.add(spec, Subject(draft.seen.name, item.case.id))


def run(spec: PrepareSpec, _context: Context, folder: Path) -> dict[str, Any]:
    """Write `hu.npy` (channel, x, y, z; int16 where that loses nothing), `labels.npy`, indices, `intensity.json`."""
    scans = read_scans(spec.reading.images)
    labels = read_reference(spec.label, spec.labels)
    foreground, lesion = foreground_indices(labels)
    hu = np.stack([scan.hu for scan in scans])
    whole = hu.astype(np.int16)
    arrays = {
        "hu": whole if np.array_equal(whole, hu) else hu,
        "labels": labels,
        "foreground": foreground,
        "lesion": lesion,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    intensities = [fitted_intensity(spec.reading.intensity, scan.hu) for scan in scans]
    write_json(folder / INTENSITY, [asdict(intensity) for intensity in intensities])
    return {"foreground_voxels": int(foreground.size), "lesion_voxels": int(lesion.size)}


def read(store: Store, ref: Ref, *, case_id: str, abnormal: bool | None) -> TrainingCase:
    """Open a prepared case; its arrays are memory maps."""
    folder = store.of(ref)
    intensities = tuple(Intensity(**channel) for channel in read_json(folder / INTENSITY))
    return load_case(folder, case_id=case_id, intensities=intensities, abnormal=abnormal)


STAGE = Stage(PrepareSpec.stage, run)
