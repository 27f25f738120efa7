"""Make one label map of the masks of a case's structures, a file for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pnetkit.cohort.check import require_on_grid
from pnetkit.errors import ImageError
from pnetkit.files import disk_errors_in_words
from pnetkit.imaging.nifti import read_grid, read_labels, write_labels
from pnetkit.types import DUCT, PANCREAS, TUMOR

INSIDE = {1: 1, 255: 1}
"""Values of a mask's voxels that lie in the structure; the others are 0."""

ORDER = (PANCREAS, DUCT, TUMOR)
"""What lies over what: a lesion over the duct, both over the pancreas."""


@dataclass(frozen=True, slots=True)
class Job:
    """Name a case's image, its masks by label, one or several of each, and the label map to write."""

    image: Path
    masks: Mapping[int, Sequence[Path]]
    target: Path


def combine(job: Job) -> str:
    """Write the label map of a case: tumor where a lesion is, else duct, else pancreas; say what is wrong, or nothing.

    The same masks give the same bytes. A map that is there already stays, if it says the same.
    """
    try:
        grid = read_grid(job.image)
        labels = np.zeros(grid.shape, dtype=np.uint8)
        for value in ORDER:
            for path in job.masks.get(value, ()):
                require_on_grid(path, read_grid(path), grid, "Export the mask on the image's own grid")
                labels[read_labels(path, INSIDE)[0] > 0] = value
        if job.target.exists():
            same = np.array_equal(read_labels(job.target)[0], labels) and read_grid(job.target).matches(grid)
            return "" if same else f"{job.target}: is there already and says something else; choose another folder"
        with disk_errors_in_words(job.target):
            job.target.parent.mkdir(parents=True, exist_ok=True)
            write_labels(job.target, labels, like=job.image)
    except ImageError as error:
        return str(error)
    return ""
