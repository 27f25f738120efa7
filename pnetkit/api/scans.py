"""Take scans as notebooks have them: a file, a NIfTI image in memory, or an array with its affine or spacing."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pnetkit.errors import ImageError
from pnetkit.imaging.hounsfield import as_scan
from pnetkit.imaging.orientation import Orientation, canonical_grid, from_ras, to_ras
from pnetkit.screening.source import Loaded, ScanSource, nifti_source
from pnetkit.types import Triple

ScanLike = str | Path | tuple[ArrayLike, ArrayLike] | Any
"""A NIfTI file; a nibabel image; or an array (x, y, z) in HU with its affine (4, 4) to RAS+ mm, or with the edges of a
voxel in mm, where the axes run to the patient's right, front and head."""


def source_of(given: ScanLike, phase: str) -> ScanSource:
    """Say how a scan that was given is read. Raises ImageError for what is no scan; what is in it is seen when read."""
    if isinstance(given, str | Path):
        path = Path(given)
        if path.is_dir():
            raise ImageError(
                f"{phase}: {path} is a folder; wanted a NIfTI file or an array. A whole DICOM study is screened by "
                f"screen(FOLDER), without phases."
            )
        return nifti_source(path)
    voxels, affine = _taken_apart(given, phase)
    grid, orientation = _grid(voxels, affine, phase)
    digest = sha256(np.ascontiguousarray(affine).tobytes() + np.ascontiguousarray(voxels).tobytes()).hexdigest()

    def load() -> Loaded:
        with np.errstate(over="ignore"):  # what single precision does not hold is infinite, and refused
            return Loaded(as_scan(to_ras(voxels, orientation), grid, phase), grid)

    return ScanSource(load, lambda: digest, {"kind": "array"})


def as_given(labels: NDArray[np.uint8], given: ScanLike) -> NDArray[np.uint8]:
    """Give labels (RAS+ order) in the axes of the scan as it was given."""
    orientation = _orientation(given)
    turned: NDArray[np.uint8] = labels if orientation is None else from_ras(labels, orientation)
    return turned


def _orientation(given: ScanLike) -> Orientation | None:
    if isinstance(given, str | Path):
        from pnetkit.imaging.nifti_file import read_header  # noqa: PLC0415  # here alone

        header = read_header(Path(given))
        return canonical_grid(_three(header.shape), header.affine_mm)[1]
    voxels, affine = _taken_apart(given, "")
    return canonical_grid(_three(voxels.shape), affine)[1]


def _taken_apart(given: Any, phase: str) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Give voxels and affine of an image in memory."""
    if hasattr(given, "dataobj") and hasattr(given, "affine"):
        array, place = np.asarray(given.dataobj), given.affine
    elif isinstance(given, Sequence) and len(given) == 2:  # noqa: PLR2004
        array, place = np.asarray(given[0]), given[1]
    else:
        raise ImageError(
            f"{phase}: wanted a NIfTI file, a nibabel image, or (array, affine) or (array, spacing_mm); got a "
            f"{type(given).__name__}."
        )
    if array.ndim != 3 or array.dtype.kind not in "iuf":  # noqa: PLR2004
        raise ImageError(f"{phase}: wanted an array of numbers (x, y, z), got {array.dtype} of shape {array.shape}.")
    affine = np.asarray(place, dtype=np.float64)
    if affine.shape == (3,):
        affine = np.diag([*affine, 1.0])
    if affine.shape != (4, 4):
        raise ImageError(f"{phase}: wanted an affine (4, 4) or a spacing in mm (3,), got shape {affine.shape}.")
    return array, affine


def _grid(voxels: NDArray[Any], affine: NDArray[np.float64], phase: str) -> Any:
    try:
        return canonical_grid(_three(voxels.shape), affine)
    except ValueError as error:
        raise ImageError(f"{phase}: {error}.") from error


def _three(shape: tuple[int, ...]) -> Triple:
    return shape[0], shape[1], shape[2]
