"""Cut out of a case's scans what is shown of them: the pancreas with a margin, each phase on its own grid."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pnetkit.cohort.file_names import segmentation_name
from pnetkit.cohort.table import read_cohort
from pnetkit.errors import ImageError, PnetkitError
from pnetkit.files import require_digest
from pnetkit.imaging.boxes import Box, bounding_box, clamp, cut, grow
from pnetkit.imaging.nifti import read_grid, read_labels, read_scan
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.pipeline.outcome.folder import SEGMENTATIONS
from pnetkit.pipeline.outcome.pages.stored import Stored
from pnetkit.pipeline.stages import postprocess, prepare
from pnetkit.pipeline.stages.segmentation import LABELS
from pnetkit.report.page.pictures import WINDOW_HU, Crop
from pnetkit.store.node import Subject
from pnetkit.training.bricks import Bricks, cut_bricks
from pnetkit.training.sampling import StoredCase
from pnetkit.types import BACKGROUND, Grid, ScanFiles

MARGIN_MM = 20.0
"""What is shown around the pancreas."""

T = TypeVar("T")

Files = Mapping[tuple[str, str], ScanFiles]
"""The cohort's files by case and phase."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Hold the crop of one phase, and the box that it was cut out of the scan's grid by."""

    crop: Crop
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class _Volumes:
    """Hold HU by channel and the reference label, as arrays or bricks; where the organ lies; how each is looked at."""

    hu: Sequence[NDArray[Any] | Bricks]
    truth: NDArray[np.uint8] | Bricks | None
    organ: Box | None
    windows_hu: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """Hold what there is of one input of a case: its phases, what the rules left, on which grid, and the volumes.

    `boxes` are where something was found, and where the organ lies.
    """

    phases: Sequence[str]
    left: NDArray[np.uint8]
    grid: Grid
    volumes: _Volumes
    boxes: tuple[Box | None, Box | None]

    def fits(self, other: "_Opened") -> bool:
        """Tell whether both lie on the same grid."""
        return self.grid.shape == other.grid.shape and bool(np.allclose(self.grid.affine, other.grid.affine))


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
    return shown_by_all([(run, found, files)], case_id, name)[0]


def shown_by_all(
    told: Sequence[tuple[FinishedRun, Stored, Files]], case_id: str, name: str
) -> list[dict[str, Shown] | str]:
    """Cut out of several runs what is shown of one input of a case: the same of all whose scans lie on one grid."""
    read: dict[str, _Volumes | str] = {}
    openings = [_in_words(partial(_opened, *of, case_id, name, read)) for of in told]
    there = [of for of in openings if not isinstance(of, str)]
    return [
        of if isinstance(of, str) else _in_words(partial(_cut_out, of, [o for o in there if o.fits(of)]))
        for of in openings
    ]


def _in_words(make: Callable[[], T | str]) -> T | str:
    """Make something of a scan, or say why it cannot be made."""
    try:
        return make()
    except (PnetkitError, OSError, ValueError, KeyError) as error:
        return f"The scan cannot be shown: {error}"


def _opened(
    run: FinishedRun, found: Stored, files: Files, case_id: str, name: str, read: dict[str, _Volumes | str]
) -> _Opened | str:
    """Open one input of a case; `read` holds the scans that others had to read from the cohort's files."""
    phases, labels = run.record["inputs"][name], _labels(run, found, case_id, name)
    if labels is None:
        return "Nothing to show: the segmentation is neither in the run's folder nor in its store."
    volumes: _Volumes | str | None = _prepared(found, Subject(name, case_id))
    if volumes is None:
        digests = run.record["cases"][case_id]["files"]
        same = repr([(phase, digests.get(phase)) for phase in phases] + [run.record["labels"]])
        volumes = read[same] = read[same] if same in read else _of_files(run, files, case_id, phases)
    if isinstance(volumes, str):
        return volumes
    left, grid = labels
    return _Opened(phases, left, grid, volumes, (bounding_box(left > BACKGROUND), volumes.organ))


def _cut_out(of: _Opened, together: Sequence[_Opened]) -> dict[str, Shown]:
    """Cut out what is shown of an input: the box around what all that are shown together have found."""
    phases, left, grid, volumes = of.phases, of.left, of.grid, of.volumes
    box = _around([part for one in together for part in one.boxes], grid)
    is_whole = box is None
    box = box or Box((0, 0, 0), grid.shape)
    middle = [(a + b - 1) / 2 for a, b in zip(box.start[:2], box.stop[:2], strict=True)]
    crops = {}
    for phase, hu, window in zip(phases, volumes.hu, volumes.windows_hu, strict=False):
        crop = Crop(
            hu=_cut(hu, box).astype(np.float32),
            found=_cut(left, box),
            truth=None if volumes.truth is None else _cut(volumes.truth, box),
            spacing_mm=(*grid.spacing_mm[:2], float(grid.affine[2, 2])),  # along the patient's axis, if tilted too
            lowest_mm=float((grid.affine @ np.array([*middle, box.start[2], 1.0]))[2]),
            window_hu=window,
            is_whole=is_whole,
        )
        crops[phase] = Shown(crop, box)
    return crops


def _prepared(found: Stored, subject: Subject) -> _Volumes | None:
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
    return _Volumes(list(case.hu), case.labels, organ, windows)


def _of_files(run: FinishedRun, files: Files, case_id: str, phases: Sequence[str]) -> _Volumes | str:
    """Read the scan of an input's first phase, which gives the grid, and its reference label."""
    hu = _read(run, files, case_id, phases[0])
    if isinstance(hu, str):
        return hu
    truth = _truth(run, files, case_id, phases[0])
    organ = None if truth is None else bounding_box(truth > BACKGROUND)
    return _Volumes([hu], truth, organ, [WINDOW_HU])


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


def _around(boxes: Sequence[Box | None], grid: Grid) -> Box | None:
    """Give the box around some boxes with the margin, within the scan; None without a box."""
    there = [box for box in boxes if box is not None]
    if not there:
        return None
    start = np.min([box.start for box in there], axis=0)
    stop = np.max([box.stop for box in there], axis=0)
    joined = Box((int(start[0]), int(start[1]), int(start[2])), (int(stop[0]), int(stop[1]), int(stop[2])))
    margins = [int(np.ceil(MARGIN_MM / mm)) for mm in grid.spacing_mm]
    return clamp(grow(joined, (margins[0], margins[1], margins[2])), grid.shape)
