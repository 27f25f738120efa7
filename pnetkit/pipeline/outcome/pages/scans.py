"""Cut out of a case's scans what is shown of them: the pancreas with a margin, each phase on its own grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.cohort.file_names import segmentation_name
from pnetkit.cohort.table import read_cohort
from pnetkit.errors import CohortError, ImageError, PnetkitError
from pnetkit.files import require_digest
from pnetkit.imaging.boxes import Box, bounding_box, cut
from pnetkit.imaging.nifti import read_grid, read_labels, read_scan
from pnetkit.label_sets import in_file
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.pipeline.outcome.folder import SEGMENTATIONS
from pnetkit.pipeline.outcome.pages.stored import Stored
from pnetkit.pipeline.stages import postprocess, prepare
from pnetkit.pipeline.stages.segmentation import LABELS
from pnetkit.report.methods import is_phantom
from pnetkit.report.page.cropping import crop_of, shown_box
from pnetkit.report.page.pictures import WINDOW_HU, Crop
from pnetkit.store.node import Subject
from pnetkit.training.bricks import Bricks, cut_bricks
from pnetkit.training.sampling import StoredCase
from pnetkit.types import BACKGROUND, Case, Grid, ScanFiles

UNSHOWN = "The scan cannot be shown"

Files = Mapping[tuple[str, str], ScanFiles]
"""The cohort's files by case and phase."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Hold the crop of one phase, and the box that it was cut out of the scan's grid by."""

    crop: Crop
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """Hold HU by channel and the reference label, as arrays or bricks; where the organ lies; how each is looked at."""

    hu: Sequence[NDArray[Any] | Bricks]
    truth: NDArray[np.uint8] | Bricks | None
    organ: Box | None
    windows_hu: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, eq=False)
class Volumes:
    """Hold the scans of one input by phase, what the rules left there, and what is true (None: not known).

    HU and reference are arrays or bricks. `organ` is where the reference lies, `windows_hu` how each scan is looked at.
    """

    hu: Mapping[str, NDArray[Any] | Bricks]
    found: NDArray[np.uint8]
    truth: NDArray[np.uint8] | Bricks | None
    organ: Box | None
    windows_hu: Mapping[str, tuple[float, float]]
    grid: Grid

    def crop(self, phase: str, found: NDArray[np.uint8] | None, box: Box, *, is_whole: bool) -> Crop:
        """Cut out what is shown of a phase, with what is true and what somebody found on this grid."""
        return crop_of(
            _cut(self.hu[phase], box),
            None if found is None else _cut(found, box),
            None if self.truth is None else in_file(_cut(self.truth, box)),
            self.grid,
            box,
            is_whole=is_whole,
            window_hu=self.windows_hu[phase],
        )


def cohort_files(run: FinishedRun, found: Stored, table: Path | None) -> dict[tuple[str, str], ScanFiles]:
    """Find the files of a run's scans: in the table that is given, else those of its phantoms in the store.

    Raises CohortError where the table cannot be read.
    """
    tables = [table] if table is not None else []
    if table is None and found.store is not None and is_phantom(run.record):
        tables = sorted(found.store.root.glob("phantom/*/cohort/cohort.csv"))
    files: dict[tuple[str, str], ScanFiles] = {}
    for path in tables:
        try:
            cohort, _ = read_cohort(path, tuple(run.record["phases"]))
        except CohortError:
            if table is not None:
                raise
            continue  # phantoms of other phases than the run's
        if table is None and not _is_of(run, cohort.cases):
            continue  # phantoms of another run, which are called alike
        for case in cohort.cases:
            said = run.record["cases"].get(case.id, {"files": {}})["files"]
            files |= {(case.id, phase): scan for phase, scan in case.scans.items() if phase in said}
    return files


def _is_of(run: FinishedRun, cases: Sequence[Case]) -> bool:
    """Tell whether a cohort in the store is the run's: by the content of its first scan."""
    for case in cases:
        for phase, digests in run.record["cases"].get(case.id, {"files": {}})["files"].items():
            try:
                require_digest(case.scans[phase].image, digests["image"])
            except (ImageError, OSError, KeyError):
                return False
            return True
    return False


def shown(run: FinishedRun, found: Stored, files: Files, case_id: str, name: str) -> dict[str, Shown] | str:
    """Cut out what is shown of one input of a case, by phase; or say why it cannot be shown."""
    return shown_by_all([(run, found, files)], case_id, name)[0]


def shown_by_all(
    told: Sequence[tuple[FinishedRun, Stored, Files]], case_id: str, name: str
) -> list[dict[str, Shown] | str]:
    """Cut out of several runs what is shown of one input of a case: the same of all whose scans lie on one grid."""
    already: dict[str, _Read | str] = {}
    read = [read_volumes(*of, case_id, name, already) for of in told]
    there = [(of.grid, _boxes(of)) for of in read if not isinstance(of, str)]
    return [of if isinstance(of, str) else _cut_out(of, there) for of in read]


def _boxes(of: Volumes) -> list[Box | None]:
    """Give where something was found, and where the organ lies."""
    return [bounding_box(of.found > BACKGROUND), of.organ]


def _cut_out(of: Volumes, there: Sequence[tuple[Grid, list[Box | None]]]) -> dict[str, Shown] | str:
    """Cut out what is shown of an input by phase: the box around all that is there on its grid."""
    boxes = [box for grid, boxes in there if is_same(grid, of.grid) for box in boxes]
    box, is_whole = shown_box(boxes, of.grid)
    try:
        return {phase: Shown(of.crop(phase, of.found, box, is_whole=is_whole), box) for phase in of.hu}
    except (PnetkitError, OSError, ValueError) as error:  # what is mapped or packed is read only now
        return f"{UNSHOWN}: {error}"


def is_same(one: Grid, other: Grid) -> bool:
    """Tell whether two grids are one: what lies in a voxel of the one lies in that voxel of the other."""
    return one.shape == other.shape and bool(np.allclose(one.affine, other.affine))


def read_volumes(
    run: FinishedRun,
    found: Stored,
    files: Files,
    case_id: str,
    name: str,
    already: dict[str, _Read | str] | None = None,
) -> Volumes | str:
    """Read the scans of one input of a case, and what is found and true there; or say why they cannot be shown.

    `already` holds what was read of the cohort's files for other runs, and gets what is read for this one.
    """
    try:
        return _volumes(run, found, files, case_id, name, {} if already is None else already)
    except (PnetkitError, OSError, ValueError, KeyError) as error:
        return f"{UNSHOWN}: {error}"


def _volumes(
    run: FinishedRun, found: Stored, files: Files, case_id: str, name: str, already: dict[str, _Read | str]
) -> Volumes | str:
    phases, labels = run.record["inputs"][name], _labels(run, found, case_id, name)
    if labels is None:
        return "Nothing to show: the segmentation is neither in the run's folder nor in its store."
    left, grid = labels
    is_resampled = any(of["input"] == name and "spacing_mm" in of for of in run.record.get("networks", ()))
    read: _Read | str | None = None if is_resampled else _prepared(found, Subject(name, case_id))  # of another grid
    if read is None:
        digests = run.record["cases"][case_id]["files"]
        same = repr([*((phase, digests.get(phase)) for phase in phases), run.record["labels"]])
        read = already[same] = already[same] if same in already else _of_files(run, files, case_id, phases)
    if isinstance(read, str):
        return read
    hu, windows = (dict(zip(phases, of, strict=False)) for of in (read.hu, read.windows_hu))
    return Volumes(hu, left, read.truth, read.organ, windows, grid)


def _prepared(found: Stored, subject: Subject) -> _Read | None:
    """Open what was prepared for training; None where that is not there. HU are within the network's window."""
    ref = found.ref(prepare.STAGE.name, subject)
    if ref is None or found.store is None:
        return None
    case = prepare.read(found.store, ref, case_id=subject.case_id or "", abnormal=None)
    if isinstance(case, StoredCase):
        case = case.mapped()
    places = np.unravel_index(case.foreground, case.labels.shape)
    organ = None
    if case.foreground.size:
        start, stop = ([int(of(axis)) for axis in places] for of in (np.min, np.max))
        organ = Box((start[0], start[1], start[2]), (stop[0] + 1, stop[1] + 1, stop[2] + 1))
    windows = [_shown_window(of.low_hu, of.high_hu) for of in case.intensities]
    return _Read(list(case.hu), case.labels, organ, windows)


def _of_files(run: FinishedRun, files: Files, case_id: str, phases: Sequence[str]) -> _Read | str:
    """Read the scan of an input's first phase, which gives the grid, and its reference label."""
    hu = _read(run, files, case_id, phases[0])
    if isinstance(hu, str):
        return hu
    truth = _truth(run, files, case_id, phases[0])
    organ = None if truth is None else bounding_box(in_file(truth) > BACKGROUND)
    return _Read([hu], truth, organ, [WINDOW_HU])


def _shown_window(low_hu: float, high_hu: float) -> tuple[float, float]:
    """Give the pancreas's window, or the network's where that is narrower: beyond it nothing was kept."""
    low, high = WINDOW_HU
    return (low, high) if low_hu <= low and high <= high_hu else (low_hu, high_hu)


def _cut(volume: NDArray[Any] | Bricks, box: Box) -> NDArray[Any]:
    return cut_bricks(volume, box, fill=0) if isinstance(volume, Bricks) else cut(volume, box, fill=0)


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
