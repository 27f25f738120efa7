"""Read a series as a scan in Hounsfield units, and lay labels back onto its images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_modality_lut

from pnetkit.dicom.files import read_file
from pnetkit.dicom.geometry import Stack, stack
from pnetkit.dicom.padding import without_padding
from pnetkit.dicom.series import Series
from pnetkit.errors import ImageError
from pnetkit.imaging.hounsfield import as_scan
from pnetkit.imaging.orientation import canonical_grid, from_ras, to_ras
from pnetkit.types import Scan


@dataclass(frozen=True, slots=True, eq=False)
class SeriesScan:
    """Hold a series' scan, its stack, and what a reader has to know of it."""

    scan: Scan
    stack: Stack
    flags: tuple[str, ...]


def read_series(series: Series) -> SeriesScan:
    """Read the voxels of a series.

    Raises:
        ImageError: as `stack` does; voxels are cut off, or packed in a way that needs a decoder which is not there;
            they are not in Hounsfield units.
    """
    pile = stack(series)
    voxels = np.empty(0, dtype=np.float32)
    for index, instance in enumerate(pile.instances):
        image = _image(instance.path)
        if not index:  # only now: a header alone may claim any size
            voxels = np.empty(pile.shape, dtype=np.float32)
        voxels[:, :, index] = image.T
    grid, orientation = canonical_grid(pile.shape, pile.affine)
    flags = []
    if pile.tilt_degrees:
        flags.append(f"gantry tilted by {pile.tilt_degrees:.1f} degrees; voxels are sheared, and not resampled")
    if series.made_up:
        flags.append(f"the files have no {', '.join(series.made_up)}; made up from their contents")
    if series.part:
        flags.append(f"one of several acquisitions of one series, told apart by {series.part.partition('=')[0]}")
    if series.left_out:
        flags.append(f"left out of the series: {', '.join(series.left_out)}")
    where = f"{series.instances[0].path.parent}, series {series.description!r}"
    return SeriesScan(as_scan(to_ras(voxels, orientation), grid, where), pile, tuple(flags))


def on_images(labels: NDArray[np.uint8], pile: Stack) -> NDArray[np.uint8]:
    """Give labels (RAS+ order) as (image, row, column), in the order of the stack's images."""
    _, orientation = canonical_grid(pile.shape, pile.affine)
    return np.ascontiguousarray(from_ras(labels, orientation).transpose(2, 1, 0))


def _image(path: Any) -> NDArray[np.float32]:
    """Read one image as (row, column)."""
    try:
        dataset = read_file(path, voxels=True)
        stored = dataset.pixel_array
        image = without_padding(dataset, stored, apply_modality_lut(stored, dataset))
    except Exception as error:  # decoders raise whatever they meet in damaged bytes
        reason = (str(error).splitlines() or [""])[0]
        raise ImageError(f"{path}: its voxels cannot be read ({type(error).__name__}: {reason}).") from error
    if not ("RescaleSlope" in dataset and "RescaleIntercept" in dataset):
        raise ImageError(f"{path}: has no rescale slope and intercept, so its values are no Hounsfield units.")
    return np.asarray(image, dtype=np.float32)
