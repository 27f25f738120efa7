"""Take in segmentations that were made elsewhere: by nnU-Net, TotalSegmentator, a radiologist."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pnetkit.cohort.check import CheckedCase, LabelPolicy, require_on_grid
from pnetkit.cohort.file_names import require_distinct_names
from pnetkit.errors import CohortError, Fault, ImageError
from pnetkit.files import file_digest
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
    predictions: Predictions, cases: Sequence[CheckedCase], phases: Sequence[str]
) -> tuple[Adopted, dict[str, list[Fault]]]:
    """Find and read the prediction of every scan of a cohort; give them, and the faults of each case by its id.

    Raises:
        CohortError: the folder is not there, or no file in it fits any case whose image can be used.
    """
    if not predictions.folder.is_dir():
        fault = Fault(str(predictions.folder), "there is no such folder")
        raise CohortError("Predictions cannot be taken in:", [fault])
    if "{phase}" in predictions.files:
        require_distinct_names(
            [item.case.id for item in cases], phases, lambda case, phase: (str(predictions.path(case, phase)),)
        )
    found: dict[tuple[str, str], tuple[Path, str]] = {}
    faults: dict[str, list[Fault]] = {}
    for item in cases:
        for phase in phases:
            if phase not in item.scans:
                continue
            path = predictions.path(item.case.id, phase)
            try:
                _check(path, predictions.labels, item.scans[phase].grid)
                found[item.case.id, phase] = (path, file_digest(path))
            except ImageError as error:
                faults.setdefault(item.case.id, []).append(Fault(f"case {item.case.id}, {phase}", str(error)))
    if faults and not found:
        listed = [fault for of in faults.values() for fault in of]
        images = [fault for item in cases for fault in item.faults]
        heading = f"{predictions.folder}: no prediction fits; files are looked for as {predictions.files}:"
        raise CohortError(heading, [*_few(listed), *_few(images)])
    return found, faults


def _few(faults: Sequence[Fault]) -> list[Fault]:
    more = len(faults) - MOST_LISTED
    return [*faults[:MOST_LISTED], *([Fault("cohort", f"and {more} more faults of this kind")] if more > 0 else [])]


def _check(path: Path, policy: LabelPolicy, image: Grid) -> None:
    _, grid = read_labels(path, policy.mapping, unmapped=policy.unmapped)
    require_on_grid(path, grid, image, "Resample the prediction to the image")
