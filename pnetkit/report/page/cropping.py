"""Cut out of a scan what is shown of it: the pancreas with a margin, on the scan's own grid."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pnetkit.imaging.boxes import Box, bounding_box, clamp, grow
from pnetkit.report.page.pictures import Crop
from pnetkit.types import Grid

MARGIN_MM = 20.0
"""What is shown around the pancreas."""

Labels = NDArray[np.uint8]


def shown_box(maps: Sequence[Labels], grid: Grid) -> tuple[Box, bool]:
    """Give the box around all labels of some maps with the margin, within the scan; the whole scan without a label.

    The second value says that it is the whole for want of a label.
    """
    boxes = [box for labels in maps if (box := bounding_box(labels > 0)) is not None]
    if not boxes:
        return Box((0, 0, 0), grid.shape), True
    start = np.min([box.start for box in boxes], axis=0)
    stop = np.max([box.stop for box in boxes], axis=0)
    joined = Box((int(start[0]), int(start[1]), int(start[2])), (int(stop[0]), int(stop[1]), int(stop[2])))
    margins = [int(np.ceil(MARGIN_MM / mm)) for mm in grid.spacing_mm]
    return clamp(grow(joined, (margins[0], margins[1], margins[2])), grid.shape), False


def crop_of(
    hu: NDArray[np.generic], found: Labels | None, truth: Labels | None, grid: Grid, box: Box, *, is_whole: bool
) -> Crop:
    """Cut a box out of volumes that lie on one grid."""
    part = box.slices
    middle = [(a + b - 1) / 2 for a, b in zip(box.start[:2], box.stop[:2], strict=True)]
    lowest_mm = float((grid.affine @ np.array([*middle, box.start[2], 1.0]))[2])
    return Crop(
        hu=np.asarray(hu[part], dtype=np.float32),
        found=None if found is None else np.asarray(found[part]),
        truth=None if truth is None else np.asarray(truth[part]),
        spacing_mm=(*grid.spacing_mm[:2], float(grid.affine[2, 2])),  # along the patient, also where slices are tilted
        lowest_mm=lowest_mm,
        is_whole=is_whole,
    )
