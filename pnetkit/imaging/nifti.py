"""Read CT scans and label maps from NIfTI, write label maps back onto the grid they came from.

In memory every volume is in the closest RAS+ orientation, so that networks see all patients the same way round; nothing
is resampled. A label map is written in the orientation of the image it belongs to, with that image's own affine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from pnetkit.errors import ImageError
from pnetkit.files import write_atomically
from pnetkit.imaging.gz import pack
from pnetkit.imaging.hounsfield import as_scan
from pnetkit.imaging.memory_order import x_fastest, z_fastest
from pnetkit.imaging.nifti_file import read_header, read_voxels
from pnetkit.imaging.nifti_header import Header, remarks, usable_qform
from pnetkit.imaging.orientation import Orientation, canonical_grid, from_ras, to_ras
from pnetkit.types import BACKGROUND, CLASSES, Grid, Scan

COUNTED_AT_ONCE = 2**20
"""Voxels whose values are counted together: counting needs eight bytes for each."""

MM = 2
"""The code of millimeters in NIfTI's `xyzt_units`."""

ROUNDING = 1e-4
"""A label may be this far from a whole number: a scale in the header, in single precision, leaves that much."""


@dataclass(frozen=True, slots=True, eq=False)
class _Volume:
    """A NIfTI file's voxels in RAS+ order, and their grid."""

    voxels: NDArray[Any]
    grid: Grid


def read_scan(path: Path) -> Scan:
    """Read a CT.

    Raises:
        ImageError: the file is missing, truncated, not a three-dimensional NIfTI, does not say how it is oriented,
            holds NaN or infinite voxels, or values that no CT in Hounsfield units has.
    """
    volume = _read(path)
    with np.errstate(over="ignore"):  # what single precision does not hold is infinite, and refused
        return as_scan(volume.voxels, volume.grid, path)


def read_labels(path: Path, mapping: Mapping[int, int] | None = None, *, unmapped: str = "error") -> tuple[
    NDArray[np.uint8], Grid
]:  # fmt: skip
    """Read a label map, translated by `mapping` (value in the file -> label) when there is one.

    Background stays background unless it is mapped. With `unmapped` "background" the values that the mapping does not
    name become background, otherwise they are an error, as is any value outside 0-3 after mapping.

    Raises:
        ImageError: as `read_scan`, and for fractional or unknown label values.
    """
    volume = _read(path)
    values = _whole_values(path, volume.voxels)
    table = {BACKGROUND: BACKGROUND, **mapping} if mapping is not None else {n: n for n in range(len(CLASSES))}
    present = [int(np.round(v)) for v in values]
    unknown = [value for value, whole in zip(values, present, strict=True) if whole not in table]
    if unknown and (mapping is None or unmapped == "error"):
        wanted = "0 background, 1 pancreas, 2 tumor, 3 duct" if mapping is None else f"those mapped: {sorted(table)}"
        raise ImageError(
            f"{path}: holds the label values {_some(unknown)}; wanted {wanted}. "
            f"Map them under cohort.labels in the recipe."
        )
    stored = z_fastest(volume.voxels, volume.voxels.dtype.type)  # in one order with the labels, which is much faster
    labels = np.zeros(stored.shape, dtype=np.uint8)
    for value, whole in zip(values, present, strict=True):
        target = table.get(whole, BACKGROUND)
        if target:
            np.putmask(labels, stored == value, target)
    return labels, volume.grid


def label_values(path: Path) -> NDArray[Any]:
    """Give the values that a label map holds, whatever they mean. Raises ImageError as `read_labels` does."""
    return np.unique(np.round(_whole_values(path, _read(path).voxels)))


def read_grid(path: Path) -> Grid:
    """Read a file's grid in RAS+ order, without its voxels. Raises ImageError as `read_scan` does."""
    header = read_header(path)
    return _canonical_grid(path, header)[0]


def header_remarks(path: Path) -> tuple[str, ...]:
    """Say what is worth knowing of a file that can be read: a unit that is not said, places that contradict each other.

    Raises ImageError as `read_scan` does.
    """
    return remarks(read_header(path))


def write_labels(path: Path, labels: NDArray[np.unsignedinteger[Any]], *, like: Path | Grid) -> None:
    """Write a map of whole numbers (RAS+ order, as `read_scan(like)` gives) in the orientation and affine of `like`.

    A `Grid` stands for scans that were no NIfTI: the map is written as it lies in memory. The same labels give the same
    bytes. The file appears complete or not at all. Of the header only geometry and units are taken over: free-text
    fields can name the patient.
    """
    header = nib.Nifti1Header()
    header.set_data_dtype(labels.dtype)
    if isinstance(like, Grid):
        _require_shape(labels, like, "the grid")
        result = nib.Nifti1Image(x_fastest(labels), like.affine, header)
        result.set_sform(like.affine, code=1)
        if not _is_sheared(like.affine):  # a qform has no shear: it would say something else than the sform
            result.set_qform(like.affine, code=1)
        unit = MM
    else:
        of = read_header(like)
        grid, orientation = _canonical_grid(like, of)
        _require_shape(labels, grid, str(like))
        result = nib.Nifti1Image(x_fastest(from_ras(labels, orientation)), of.affine, header)
        sform, qform = int(of.fields["sform_code"]), int(of.fields["qform_code"])
        result.set_sform(of.fields.get_sform() if sform else of.affine, code=sform or qform)
        placed = usable_qform(of)
        if placed is not None:
            result.set_qform(placed, code=qform)
        unit = of.unit or MM
    result.header.set_xyzt_units(unit)
    write_atomically(path, pack(result.to_bytes()))


def _is_sheared(affine: NDArray[np.float64]) -> bool:
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return not np.allclose(axes.T @ axes, np.eye(3), atol=1e-6)


def _require_shape(labels: NDArray[Any], grid: Grid, what: str) -> None:
    if labels.shape != grid.shape:
        raise ValueError(f"labels have shape {labels.shape}, {what} has {grid.shape} in RAS+ order")


def _whole_values(path: Path, voxels: NDArray[Any]) -> NDArray[Any]:
    values: NDArray[Any]
    if voxels.dtype == np.uint8:  # as label maps are: counting is much faster than sorting
        flat = voxels.ravel(order="K")
        parts = (flat[start : start + COUNTED_AT_ONCE] for start in range(0, flat.size, COUNTED_AT_ONCE))
        return np.flatnonzero(sum(np.bincount(part, minlength=256) for part in parts)).astype(np.uint8)
    values = np.unique(voxels)
    finite = values[np.isfinite(values)]
    if finite.size < values.size or (np.abs(finite - np.round(finite)) > ROUNDING).any():
        raise ImageError(f"{path}: label values have to be whole numbers, got {_some(list(values))}.")
    return values


def _read(path: Path) -> _Volume:
    header = read_header(path)
    grid, orientation = _canonical_grid(path, header)
    voxels = read_voxels(path, header).reshape(_three_axes(path, header.shape))
    if voxels.dtype.kind not in "iuf":
        raise ImageError(f"{path}: voxels are of type {voxels.dtype}; wanted whole or real numbers.")
    return _Volume(to_ras(voxels, orientation), grid)


def _canonical_grid(path: Path, header: Header) -> tuple[Grid, Orientation]:
    shape = _three_axes(path, header.shape)
    try:
        return canonical_grid(shape, header.affine_mm)
    except ValueError as error:
        raise ImageError(f"{path}: {error}.") from error


def _three_axes(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
    kept = (*shape[:3], *(n for n in shape[3:] if n != 1))
    if len(kept) != 3:  # noqa: PLR2004
        raise ImageError(f"{path}: has shape {shape}; wanted one volume with three axes.")
    return kept[0], kept[1], kept[2]


def _some(values: Sequence[Any]) -> str:
    shown = ", ".join(f"{v:.9g}" if np.isfinite(v) and v != np.round(v) else f"{v:g}" for v in values[:8])
    return shown + (f", … ({len(values)} values)" if len(values) > 8 else "")  # noqa: PLR2004
