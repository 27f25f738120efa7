"""Read a NIfTI file's header by itself, and hold it to what the header of a scan can say, before any voxel is read.

Extensions are never looked at: what they hold may be damaged, large, or a patient's name.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from pnetkit.errors import ImageError
from pnetkit.imaging.header_notes import held_back

HEADER_BYTES = 540
"""The longer one of the two kinds of header; that of NIfTI-1 has 348 bytes."""

MM_OF = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Millimeters of a unit of length by its code in `xyzt_units`; what does not say its unit is taken to be in mm."""

UNITS = {0: "unknown", 1: "meters", 2: "mm", 3: "microns"}

EDGE_MM = (0.05, 50.0)
"""A voxel of a body's CT has edges between these; outside of them a unit is wrong, and volumes would be too."""

FARTHEST_MM = 1e6
"""No CT lies further from the origin of its coordinates."""

DIFFERENT_VOXELS = 0.1
"""Where two descriptions of one grid put a corner further apart than this share of a voxel, they disagree."""

_FOREIGN = {
    b"\x00\x05\x16\x07": "macOS's note on another file, no image",
    b"NRRD": "NRRD",
    b"ObjectType": "MetaImage",
    b"\x89HDF": "HDF5 or MINC",
    b"CDF": "NetCDF or MINC",
}


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """Hold what a header says: `affine` as it is written there, in `unit`, and where the voxels begin in the file.

    `scale` and `offset` turn stored values into real ones.
    """

    fields: Any
    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    unit: int
    begin: int
    dtype: np.dtype[Any]
    scale: float
    offset: float

    @property
    def end(self) -> int:
        """Give the bytes that the file has at the least: up to its last voxel."""
        return self.begin + math.prod(self.shape) * self.dtype.itemsize

    @property
    def affine_mm(self) -> NDArray[np.float64]:
        """Give the affine in RAS+ mm."""
        return in_mm(self.affine, self.unit)


def in_mm(affine: NDArray[np.float64], unit: int) -> NDArray[np.float64]:
    """Give an affine that is written in a unit of NIfTI in millimeters."""
    if MM_OF[unit] == 1:
        return affine
    scaled = affine.copy()
    scaled[:3] *= MM_OF[unit]
    return scaled


def parse_header(path: Path, beginning: bytes) -> Header:
    """Read the header that a file's first bytes are; `path` is for messages.

    Raises:
        ImageError: it is none, is damaged, says nothing of its orientation, or says what no scan can have: units that
            NIfTI does not know, voxels of a size or at a place where no body's are.
    """
    kind = _kind(path, beginning)
    with held_back() as notes:
        try:
            fields = kind(beginning[: kind.template_dtype.itemsize])
            shape = tuple(int(n) for n in fields.get_data_shape())
            dtype = fields.get_data_dtype()
            begin = int(fields.get_data_offset())
            scale, offset = fields.get_slope_inter()
            affine = np.asarray(fields.get_best_affine(), dtype=np.float64)
        except Exception as error:  # nibabel raises whatever it meets in a damaged header
            raise ImageError(
                f"{path}: cannot be read as an image ({reason(error, notes)}). Export it again."
            ) from error
    if fields["magic"].item() != fields.single_magic:
        raise ImageError(
            f"{path}: cannot be read as an image (it is half of a pair, as .hdr and .img). Convert it to .nii.gz."
        )
    if begin < fields.sizeof_hdr:
        raise ImageError(
            f"{path}: cannot be read as an image (its voxels begin at byte {begin}, within the header). Export it."
        )
    if not (int(fields["sform_code"]) or int(fields["qform_code"])):
        raise ImageError(f"{path}: says nothing of its orientation (sform and qform codes are 0). Convert it again.")
    unit = int(fields["xyzt_units"]) % 8
    if unit not in MM_OF:
        raise ImageError(
            f"{path}: has the unknown unit {unit} for lengths (xyzt_units); wanted 1 meters, 2 mm or 3 microns. "
            "Export it again."
        )
    _require_plausible(path, affine, unit)
    return Header(fields, shape, affine, unit, begin, dtype, 1.0 if scale is None else scale, offset or 0.0)


def remarks(header: Header) -> tuple[str, ...]:
    """Say what is worth knowing of a header that can be used: a unit that it leaves open, places that contradict."""
    said = []
    if header.unit == 0:
        said.append("its header does not say in which unit lengths are (xyzt_units is 0), they are taken as mm")
    elif MM_OF[header.unit] != 1:
        said.append(f"its header gives lengths in {UNITS[header.unit]}, they were converted to mm")
    fields = header.fields
    if not (int(fields["sform_code"]) and len(header.shape) >= 3 and np.isfinite(header.affine).all()):  # noqa: PLR2004
        return tuple(said)
    edges = np.linalg.norm(header.affine[:3, :3], axis=0)
    if int(fields["qform_code"]):
        other = usable_qform(header)
        if other is None:
            said.append("its qform cannot be used, its sform was; tools that read the qform fail on it")
        elif (apart := _apart(header.affine, other, header.shape)) > DIFFERENT_VOXELS * edges.min():
            mm = apart * MM_OF[header.unit]
            said.append(
                f"its sform and qform disagree: a corner lies {mm:.4g} mm elsewhere. The sform is used, tools that "
                "read the qform see another scan"
            )
    elif not np.allclose(np.abs(zooms := _pixdim(fields)), edges, rtol=0.01):
        said.append(
            f"its pixdim says voxels of {_edges(zooms)}, its sform of {_edges(edges)}. The sform is used, tools "
            "that read pixdim see another scan"
        )
    return tuple(said)


def usable_qform(header: Header) -> NDArray[np.float64] | None:
    """Give the affine that a header's qform means, in the header's unit; None where it says none, or nonsense."""
    if not int(header.fields["qform_code"]):
        return None
    with held_back():
        try:
            found = np.asarray(header.fields.get_qform(), dtype=np.float64)
        except Exception:  # noqa: BLE001  # nibabel raises whatever it meets; `remarks` says that there is none
            return None
    if not np.abs(in_mm(found, header.unit)).max() <= FARTHEST_MM:  # nor NaN
        return None
    return found if (np.linalg.norm(found[:3, :3], axis=0) > 0).all() else None


def reason(error: BaseException, notes: Sequence[str] = ()) -> str:
    """Give an error's first line and kind, with what nibabel noted beside it."""
    text = str(error).strip().splitlines()
    said = f"{type(error).__name__}: {text[0] if text else 'no details'}"
    return "; ".join([said, *(note for note in dict.fromkeys(notes) if note not in said)])


def _kind(path: Path, beginning: bytes) -> Any:
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        if kind.may_contain_header(beginning):
            return kind
    if not beginning:
        what = "it is empty"
    elif beginning[128:132] == b"DICM":
        what = "it is DICOM"
    else:
        known = [name for start, name in _FOREIGN.items() if beginning.startswith(start)]
        what = f"it is {known[0]}" if known else "it does not begin as NIfTI does"
    raise ImageError(f"{path}: cannot be read as an image ({what}). Wanted NIfTI, .nii or .nii.gz: export it again.")


def _require_plausible(path: Path, affine: NDArray[np.float64], unit: int) -> None:
    """Refuse voxels that no CT of a body has; what is not even finite or has no extent, `Grid` refuses."""
    mm = in_mm(affine, unit)
    if not np.isfinite(mm).all():
        return
    with np.errstate(over="ignore"):
        edges = np.linalg.norm(mm[:3, :3], axis=0)
    if (edges == 0).any():
        return
    if (edges < EDGE_MM[0]).any() or (edges > EDGE_MM[1]).any():
        raise ImageError(
            f"{path}: its voxels have edges of {_edges(edges)} mm (unit in its header: {UNITS[unit]}); wanted "
            f"{EDGE_MM[0]:g} to {EDGE_MM[1]:g} mm. Correct the unit or the spacing in its header."
        )
    if np.abs(mm).max() > FARTHEST_MM:
        raise ImageError(
            f"{path}: lies {np.abs(mm).max():.3g} mm from the origin of its coordinates; wanted "
            f"{FARTHEST_MM:g} mm at the most. Export it again."
        )


def _apart(one: NDArray[np.float64], other: NDArray[np.float64], shape: Sequence[int]) -> float:
    corners = np.array(np.meshgrid(*[(0, max(n, 1) - 1) for n in shape[:3]], indexing="ij")).reshape(3, -1)
    moved = (other - one)[:3] @ np.vstack([corners, np.ones((1, corners.shape[1]))])
    return float(np.linalg.norm(moved, axis=0).max())


def _pixdim(fields: Any) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # NaN may be there
        return np.asarray(fields["pixdim"][1:4]).astype(np.float64)


def _edges(lengths: NDArray[np.float64]) -> str:
    return " x ".join(f"{length:.4g}" for length in lengths)
