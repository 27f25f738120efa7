"""What stages that read scans have in common: which files, how they are read, and the reference labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.cohort.check import CheckedCase
from pnetkit.imaging.hounsfield import READING
from pnetkit.imaging.nifti import read_grid, read_labels, read_scan
from pnetkit.imaging.resampling import resample
from pnetkit.imaging.spacing import RESAMPLING, Spacing, at_spacing, grid_at, labels_on
from pnetkit.label_sets import on_other_grid
from pnetkit.method.network_input import NetworkInput, as_network_input
from pnetkit.method.parts import Input
from pnetkit.pipeline.stages.draft import Draft
from pnetkit.store.node import File
from pnetkit.types import Grid, Scan


@dataclass(frozen=True, slots=True)
class Reading:
    """Name the images of an input, one for each channel, and what decides how they become the network's volume.

    With `resample` further channels are brought onto the grid of the first. `spacing_mm` is that of the volume; None
    for the scanner's own voxels.
    """

    images: tuple[File, ...]
    intensity: Mapping[str, Any]
    resample: bool
    spacing_mm: Spacing | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """Give the part of it that stands in a key."""
        how = {"reading": READING, "intensity": dict(self.intensity)}
        return how | ({"resample": True} if self.resample else {}) | spacing_identity(self.spacing_mm)

    @property
    def files(self) -> dict[str, File]:
        """Give the images, each under the name of its channel."""
        return {f"image_{channel}" if channel else "image": file for channel, file in enumerate(self.images)}


@dataclass(frozen=True, slots=True)
class Scanned:
    """Name the scans of an input as a classifier looks at them: in HU, by phase, at a spacing where there is one."""

    phases: tuple[str, ...]
    images: tuple[File, ...]
    spacing_mm: Spacing | None = None

    @property
    def files(self) -> dict[str, File]:
        """Give the images, by phase, in their order."""
        return {f"image_{number}_{phase}": file for number, (phase, file) in enumerate(self._pairs)}

    @property
    def grid(self) -> Grid:
        """Read the grid of the first scan, which is that of all, from its header."""
        grid = read_grid(self.images[0].path)
        return grid if self.spacing_mm is None else grid_at(grid, self.spacing_mm)

    def read(self) -> dict[str, Scan]:
        """Read the scans, all on the grid of the first."""
        return dict(zip(self.phases, read_scans(self.images, self.spacing_mm), strict=True))

    @property
    def _pairs(self) -> list[tuple[str, File]]:
        return list(zip(self.phases, self.images, strict=True))


def scanned(draft: Draft, item: CheckedCase, spacing_mm: Spacing | None) -> Scanned:
    """Say which scans of a case a classifier may look at: at a network's spacing where rules see its voxels."""
    at = spacing_mm if draft.parts.rules_on == "network" else None
    return Scanned(draft.seen.phases, reading_of(draft, item).images, at)


def reading_of(draft: Draft, item: CheckedCase, spacing_mm: Spacing | None = None) -> Reading:
    """Say how a case's scans are read for an input."""
    scans = [(item.case.scans[phase].image, item.scans[phase].image_digest) for phase in draft.seen.phases]
    return Reading(tuple(File(*scan) for scan in scans), draft.parts.intensity, draft.seen.resample, spacing_mm)


def spacing_identity(spacing_mm: Spacing | None) -> dict[str, Any]:
    """Give what stands in a key of a spacing: nothing where scans keep the scanner's voxels."""
    return {} if spacing_mm is None else {"spacing_mm": list(spacing_mm), "resampling": RESAMPLING}


def label_of(seen: Input, item: CheckedCase) -> File | None:
    """Give the reference label of an input: that of its first phase; None where there is none."""
    phase = seen.phases[0]
    path, digest = item.case.scans[phase].label, item.scans[phase].label_digest
    return None if path is None or digest is None else File(path, digest)


def required_label(seen: Input, item: CheckedCase) -> File:
    """Give the reference label of a case that was chosen because it has one."""
    label = label_of(seen, item)
    if label is None:
        raise ValueError(f"{item.case.id} has no reference label of {seen.phases[0]}")
    return label


def read_scans(images: Sequence[File], spacing_mm: Spacing | None = None) -> list[Scan]:
    """Read images, one for each channel of a network, on the grid of the first or on that of a spacing."""
    first = read_scan(images[0].path)
    grid, scans = first.grid, [at_spacing(first, spacing_mm)]
    del first  # the scanner's voxels are needed no more where there are others
    return [*scans, *(at_spacing(resample(read_scan(file.path), grid), spacing_mm) for file in images[1:])]


def read_input(reading: Reading) -> NetworkInput:
    """Read images as the network sees them."""
    return as_network_input(read_scans(reading.images, reading.spacing_mm), reading.intensity)


def read_reference(label: File, policy: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Read a label file under a label policy, as it stands in keys: labels 0-3, and 255 for what is to be ignored."""
    mapping = policy["mapping"]
    translated = None if mapping is None else {int(key): int(value) for key, value in mapping.items()}
    return read_labels(label.path, translated, unmapped=policy["unmapped"])[0]


def read_reference_at(label: File, policy: Mapping[str, Any], image: File, grid: Grid) -> NDArray[np.uint8]:
    """Read a label file that lies on an image's grid as labels on the grid of the image's resampled scan."""
    labels, own = read_reference(label, policy), read_grid(image.path)
    return labels if own.matches(grid) else on_other_grid(labels, lambda of: labels_on(of, own, grid))
