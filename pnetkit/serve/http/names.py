"""What files of a study are called here: a number, or a phase. What a client calls them is looked at, never opened."""

import re
from collections.abc import Sequence
from pathlib import Path

from pnetkit.serve.http.bounds import NewFile
from pnetkit.serve.http.refused import RequestError

GZIP = b"\x1f\x8b"


def numbered(folder: Path, number: int) -> Path:
    """Give the file of an image of DICOM."""
    return folder / f"{number:06d}.dcm"


def of_phase(folder: Path, phase: str) -> Path:
    """Give the file of a phase's NIfTI; `phase` is one of the model's."""
    return folder / f"{phase}.nii"


def phase_named(name: str, phases: Sequence[str]) -> str | None:
    """Give the phase that a NIfTI file's name says: `venous.nii.gz`, `P1_venous.nii`. None for other files.

    Raises:
        RequestError: it is NIfTI and names no phase of the model.
    """
    found = re.fullmatch(r"(?:.*[/\\])?([^/\\]*)\.nii(?:\.gz)?", name, re.IGNORECASE | re.DOTALL)
    if found is None:
        return None
    for phase in phases:
        if re.fullmatch(rf"(?:.*[_-])?{re.escape(phase)}", found[1], re.IGNORECASE | re.DOTALL):
            return phase
    raise RequestError(422, f"a NIfTI file names no phase; wanted {', '.join(f'{phase}.nii.gz' for phase in phases)}")


def settle(files: Sequence[NewFile], phases: Sequence[str]) -> None:
    """Call NIfTI files by how they are packed, once all files are there.

    Raises:
        RequestError: there is none, or NIfTI and DICOM lie beside each other.
    """
    nifti = [file for file in files if file.path.name in {f"{phase}.nii" for phase in phases}]
    if not files:
        raise RequestError(422, "there is no file in it")
    if nifti and len(nifti) < len(files):
        raise RequestError(422, "holds NIfTI and other files; send a study as one or the other")
    for file in nifti:
        if file.begins == GZIP:
            file.path.rename(file.path.with_name(f"{file.path.name}.gz"))
