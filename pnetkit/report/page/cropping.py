"""Cut out of a scan what is shown of it: the pancreas with a margin, on the scan's own grid."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pnetkit.imaging.boxes import Box, clamp, grow
from pnetkit.report.page.pictures import WINDOW_HU, Crop
from pnetkit.types import Grid

MARGIN_MM = 20.0
"""What is shown around the pancreas."""

Labels = NDArray[np.uint8]


def shown_box(boxes: Sequence[Box | None], grid: Grid) -> tuple[Box, bool]:
    """Give the box around some boxes with the margin, within the scan; the whole scan where there is none.

    The second value says that it is the whole for want of a box.
    """
    there = [box for box in boxes if box is not None]
    if not there:
        return Box((0, 0, 0), grid.shape), True
    start = np.min([box.start for box in there], axis=0)
    stop = np.max([box.stop for box in there], axis=0)
    joined = Box((int(start[0]), int(start[1]), int(start[2])), (int(stop[0]), int(stop[1]), int(stop[2])))
    margins = [int(np.ceil(MARGIN_MM / mm)) for mm in grid.spacing_mm]
    return clamp(grow(joined, (margins[0], margins[1], margins[2])), grid.shape), False


def crop_of(
    hu: NDArray[np.generic],
    found: Labels | None,
    truth: Labels | None,
    grid: Grid,
    box: Box,
    *,
    is_whole: bool,
    window_hu: tuple[float, float] = WINDOW_HU,
) -> Crop:
    """Give what was cut out of a grid by a box as what is shown."""
    middle = [(a + b - 1) / 2 for a, b in zip(box.start[:2], box.stop[:2], strict=True)]
    return Crop(
        hu=np.asarray(hu, dtype=np.float32),
        found=found,
        truth=truth,
        spacing_mm=(*grid.spacing_mm[:2], float(grid.affine[2, 2])),  # along the patient's axis, if tilted too
        lowest_mm=float((grid.affine @ np.array([*middle, box.start[2], 1.0]))[2]),
        window_hu=window_hu,
        is_whole=is_whole,
    )
