"""Make a case of the images of a folder whose names say their phase: `venous.nii.gz`, `P1_arterial.mha`."""

import re
from collections.abc import Sequence
from pathlib import Path

from pnetkit.errors import CohortError, Fault, ImageError
from pnetkit.files import file_digest
from pnetkit.imaging.metaimage import read_metaimage
from pnetkit.screening.source import Loaded, Origin, ScanSource, ScreeningCase, nifti_source

NIFTI, METAIMAGE = (".nii", ".nii.gz"), (".mha",)


def image_source(path: Path) -> ScanSource:
    """Give a scan that lies in a file of NIfTI or MetaImage, as its name says."""
    return metaimage_source(path) if path.name.lower().endswith(METAIMAGE) else nifti_source(path)


def metaimage_source(path: Path) -> ScanSource:
    """Give a scan that lies in a MetaImage."""

    def load() -> Loaded:
        scan = read_metaimage(path)
        return Loaded(scan, scan.grid)

    def digest() -> str:
        try:
            return file_digest(path)
        except OSError as error:
            raise ImageError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error

    return ScanSource(load, digest, {"kind": "MetaImage"})


def images_in(folder: Path) -> list[Path]:
    """List the images right in a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.name.lower().endswith((*NIFTI, *METAIMAGE)))


def case_of_images(folder: Path, phases: Sequence[str], case_id: str) -> ScreeningCase:
    """Make a case of a folder's images: of each phase one, whose name is the phase, or ends in `_` or `-` and it.

    Raises:
        CohortError: an image names no phase of the model, or two name one; every fault is listed.
    """
    found: dict[str, Path] = {}
    faults = []
    for path in images_in(folder):
        stem = path.name[
            : -len(next(end for end in (*METAIMAGE, ".nii.gz", ".nii") if path.name.lower().endswith(end)))
        ]
        named = [phase for phase in phases if re.fullmatch(rf"(?:.*[_-])?{re.escape(phase)}", stem, re.IGNORECASE)]
        if not named:
            said = f"names no phase of the model; wanted {', '.join(f'{phase}.nii.gz' for phase in phases)}"
            faults.append(Fault(path.name, said))
        elif named[0] in found:
            faults.append(Fault(path.name, f"is a second image of {named[0]}, beside {found[named[0]].name}"))
        else:
            found[named[0]] = path
    if faults:
        raise CohortError("These images cannot be screened:", faults)
    scans = {phase: image_source(found[phase]) for phase in phases if phase in found}
    return ScreeningCase(case_id, scans, origin=lambda: Origin((str(folder.resolve()),)))
