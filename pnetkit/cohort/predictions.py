"""Take in segmentations that were made elsewhere: by nnU-Net, TotalSegmentator, a radiologist."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pnetkit.cohort.check import CheckedCase, LabelPolicy, require_on_grid
from pnetkit.cohort.file_names import require_distinct_names
from pnetkit.cohort.kept_checks import Kept, checked_once, grid_from_json, grid_to_json
from pnetkit.errors import CohortError, Fault, ImageError
from pnetkit.files import file_digest, held_still
from pnetkit.imaging.nifti import read_labels
from pnetkit.types import Grid

FILES = "{case}_{phase}.nii.gz"
"""How files are called, unless it is said otherwise; those without `{phase}` hold for every phase."""

MOST_LISTED = 10
"""Faults that are listed where no prediction fits."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Name a folder of label maps: how its files are called, and how their values become 0-3."""

    folder: Path
    files: str = FILES
    labels: LabelPolicy = field(default_factory=LabelPolicy)

    def path(self, case_id: str, phase: str) -> Path:
        """Give the file of one phase of one case."""
        return self.folder / self.files.replace("{case}", case_id).replace("{phase}", phase)


Adopted = Mapping[tuple[str, str], tuple[Path, str]]
"""Files and digests of predictions, by case and phase."""


def find_predictions(
    predictions: Predictions,
    cases: Sequence[CheckedCase],
    phases: Sequence[str],
    executor: Executor,
    kept: Kept | None = None,
) -> tuple[Adopted, dict[str, list[Fault]]]:
    """Find the prediction of every scan of a cohort; give them, and the faults of each case by its id.

    Files are read, but for those that did not change since a check that was kept.

    Raises:
        CohortError: the folder is not there, or no file in it fits any case whose image can be used.
        StoreError: what was kept cannot be read or written.
    """
    if not predictions.folder.is_dir():
        fault = Fault(str(predictions.folder), "there is no such folder")
        raise CohortError("Predictions cannot be taken in:", [fault])
    if "{phase}" in predictions.files:
        require_distinct_names(
            [item.case.id for item in cases], phases, lambda case, phase: (str(predictions.path(case, phase)),)
        )
    grids = {(item.case.id, phase): item.scans[phase].grid for item in cases for phase in phases if phase in item.scans}
    found: dict[tuple[str, str], tuple[Path, str]] = {}
    faults: dict[str, list[Fault]] = {}
    for (case_id, phase), said in _looked_at(predictions, list(grids), executor, kept).items():
        path = predictions.path(case_id, phase)
        wrong = said if isinstance(said, str) else _off_grid(path, grid_from_json(said["grid"]), grids[case_id, phase])
        if wrong or isinstance(said, str):
            faults.setdefault(case_id, []).append(Fault(f"case {case_id}, {phase}", wrong))
        else:
            found[case_id, phase] = (path, said["digest"])
    if faults and not found:
        listed = [fault for of in faults.values() for fault in of]
        images = [fault for item in cases for fault in item.faults]
        heading = f"{predictions.folder}: no prediction fits; files are looked for as {predictions.files}:"
        raise CohortError(heading, [*_few(listed), *_few(images)])
    return found, faults


def _few(faults: Sequence[Fault]) -> list[Fault]:
    more = len(faults) - MOST_LISTED
    return [*faults[:MOST_LISTED], *([Fault("cohort", f"and {more} more faults of this kind")] if more > 0 else [])]


def _looked_at(
    predictions: Predictions, scans: Sequence[tuple[str, str]], executor: Executor, kept: Kept | None
) -> Mapping[tuple[str, str], dict[str, Any] | str]:
    """Give the digest and the grid of each file, or what is wrong with it."""
    policy = predictions.labels
    mapping = None if policy.mapping is None else sorted(policy.mapping.items())
    about = {"prediction": True, "mapping": mapping, "unmapped": policy.unmapped}

    def look(wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any] | str]:
        found = executor.map(partial(_look, policy=policy), [predictions.path(*of) for of in wanted])
        return dict(zip(wanted, found, strict=True))

    return checked_once(kept, {of: ((predictions.path(*of),), about) for of in scans}, look)


def _look(path: Path, policy: LabelPolicy) -> dict[str, Any] | str:
    try:
        with held_still([path]):
            _, grid = read_labels(path, policy.mapping, unmapped=policy.unmapped)
            return {"digest": file_digest(path), "grid": grid_to_json(grid)}
    except ImageError as error:
        return str(error)


def _off_grid(path: Path, grid: Grid, image: Grid) -> str:
    """Say what is wrong with where a prediction lies; empty where nothing is."""
    try:
        require_on_grid(path, grid, image, "Resample the prediction to the image")
    except ImageError as error:
        return str(error)
    return ""
