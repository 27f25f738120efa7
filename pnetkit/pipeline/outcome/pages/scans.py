"""Cut out of a case's scans what is shown of them: the pancreas with a margin, each phase on its own grid."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.cohort.file_names import segmentation_name
from pnetkit.cohort.table import read_cohort
from pnetkit.errors import ImageError, PnetkitError
from pnetkit.files import require_digest
from pnetkit.imaging.boxes import Box
from pnetkit.imaging.nifti import read_grid, read_labels, read_scan
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.pipeline.outcome.folder import SEGMENTATIONS
from pnetkit.pipeline.outcome.pages.stored import Stored
from pnetkit.pipeline.stages import postprocess, prepare
from pnetkit.pipeline.stages.segmentation import LABELS
from pnetkit.report.page.cropping import crop_of, shown_box
from pnetkit.report.page.pictures import Crop
from pnetkit.store.node import Subject
from pnetkit.types import Grid, ScanFiles

Files = Mapping[tuple[str, str], ScanFiles]
"""The cohort's files by case and phase."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Hold the crop of one phase, and the box that it was cut out of the scan's grid by."""

    crop: Crop
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class Volumes:
    """Hold the scans of one input by phase, what the rules left there, and what is true (None: not known)."""

    hu: Mapping[str, NDArray[np.generic]]
    found: NDArray[np.uint8]
    truth: NDArray[np.uint8] | None
    grid: Grid


def cohort_files(run: FinishedRun, found: Stored, table: Path | None) -> dict[tuple[str, str], ScanFiles]:
    """Find the files of a run's scans: in the table that is given, else those of its phantoms in the store.

    Raises CohortError where the table cannot be read.
    """
    tables = [table] if table is not None else []
    if table is None and found.store is not None:
        tables = sorted(found.store.root.glob("phantom/*/cohort/cohort.csv"))
    files: dict[tuple[str, str], ScanFiles] = {}
    for path in tables:
        cohort, _ = read_cohort(path, tuple(run.record["phases"]))
        for case in cohort.cases:
            said = run.record["cases"].get(case.id, {"files": {}})["files"]
            files |= {(case.id, phase): scan for phase, scan in case.scans.items() if phase in said}
    return files


def shown(run: FinishedRun, found: Stored, files: Files, case_id: str, name: str) -> dict[str, Shown] | str:
    """Cut out what is shown of one input of a case, by phase; or say why it cannot be shown."""
    of = read_volumes(run, found, files, case_id, name)
    if isinstance(of, str):
        return of
    box, is_whole = shown_box([labels for labels in (of.found, of.truth) if labels is not None], of.grid)
    return {
        phase: Shown(crop_of(hu, of.found, of.truth, of.grid, box, is_whole=is_whole), box)
        for phase, hu in of.hu.items()
    }


def read_volumes(run: FinishedRun, found: Stored, files: Files, case_id: str, name: str) -> Volumes | str:
    """Read the scans of one input of a case, and what is found and true there; or say why they cannot be shown."""
    try:
        return _volumes(run, found, files, case_id, name)
    except (PnetkitError, OSError, ValueError, KeyError) as error:
        return f"The scan cannot be shown: {error}"


def _volumes(run: FinishedRun, found: Stored, files: Files, case_id: str, name: str) -> Volumes | str:
    phases = run.record["inputs"][name]
    labels = _labels(run, found, case_id, name)
    if labels is None:
        return "Nothing to show: the segmentation is neither in the run's folder nor in its store."
    left, grid = labels
    ref = found.ref(prepare.STAGE.name, Subject(name, case_id))
    if ref is not None and found.store is not None:
        folder = found.store.of(ref)
        channels: Any = np.load(folder / "hu.npy", mmap_mode="r", allow_pickle=False)
        truth: NDArray[np.uint8] | None = np.load(folder / "labels.npy", mmap_mode="r", allow_pickle=False)
        return Volumes(dict(zip(phases, channels, strict=False)), left, truth, grid)
    hu = _read(run, files, case_id, phases[0])
    if isinstance(hu, str):
        return hu
    return Volumes({phases[0]: hu}, left, _truth(run, files, case_id, phases[0]), grid)


def _labels(run: FinishedRun, found: Stored, case_id: str, name: str) -> tuple[NDArray[np.uint8], Grid] | None:
    """Read what the rules left of a case's segmentation: of the store, else of the run's own folder."""
    ref = found.ref(postprocess.STAGE.name, Subject(name, case_id))
    places = [found.store.of(ref) / LABELS] if ref is not None and found.store is not None else []
    for path in [*places, run.folder / SEGMENTATIONS / segmentation_name(case_id, name)]:
        if path.is_file():
            return read_labels(path)
    return None


def _read(run: FinishedRun, files: Files, case_id: str, phase: str) -> NDArray[np.float32] | str:
    scan = files.get((case_id, phase))
    if scan is None:
        return "The image is not in the store, and nobody said where the cohort is; give --cohort."
    if not scan.image.is_file():
        return "The image is not where the cohort's table says."
    require_digest(scan.image, run.record["cases"][case_id]["files"][phase]["image"])
    return read_scan(scan.image).hu


def _truth(run: FinishedRun, files: Files, case_id: str, phase: str) -> NDArray[np.uint8] | None:
    """Read the reference label of a scan that was not prepared for training; None where there is none."""
    scan, digest = files[case_id, phase], run.record["cases"][case_id]["files"][phase]["label"]
    if scan.label is None or digest is None:
        return None
    require_digest(scan.label, digest)
    if read_grid(scan.label).shape != read_grid(scan.image).shape:
        raise ImageError(f"{scan.label.name}: is not of the shape of its image.")
    policy = run.record["labels"]
    mapping = None if policy["mapping"] is None else {int(k): int(v) for k, v in policy["mapping"].items()}
    return read_labels(scan.label, mapping, unmapped=policy["unmapped"])[0]
