"""Say where a scan comes from: how it is read, what it is known by, and what form results take beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pnetkit.case_ids import case_id_fault
from pnetkit.dicom.place import Place
from pnetkit.errors import CohortError, Fault, ImageError
from pnetkit.files import file_digest
from pnetkit.imaging.nifti import header_remarks, read_scan
from pnetkit.types import Grid, Scan


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """Hold a scan that was read, what has to be known of it, and the file or grid whose geometry results are given."""

    scan: Scan
    like: Path | Grid
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold what a result file says beside the labels: decisions, mm³ by label value, places, and which model said it.

    `overruled` as in a case.
    """

    abnormal: bool
    case_abnormal: bool
    volume_mm3: Mapping[int, float]
    model_name: str
    model_digest: str
    overruled: bool = False
    places: Sequence[Place] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """Hold where a case comes from, each value once: it leads to a patient, so it is written into a trace alone."""

    folders: tuple[str, ...]
    patient_ids: tuple[str, ...] = ()
    patient_names: tuple[str, ...] = ()
    study_uids: tuple[str, ...] = ()


def _nowhere() -> Origin:
    return Origin(())


@runtime_checkable
class ResultWriter(Protocol):
    """Write labels (RAS+ order) and a phase's answer beside `stem`, in a format of the source's own."""

    def __call__(self, stem: Path, labels: NDArray[np.uint8], answer: Answer) -> None:
        """Write them."""


@runtime_checkable
class PageWriter(Protocol):
    """Write a page of PDF about a case to `path`, in a format of the source's own, as said by a model."""

    def __call__(self, path: Path, pdf: bytes, model_name: str, model_digest: str) -> None:
        """Write it."""


@dataclass(frozen=True, slots=True)
class ScanSource:
    """Say how a scan is read, what its contents' digest is, and what `finding.json` says of where it comes from.

    `write_results` puts what was found into the format of the source, next to the other results, where it has one.
    """

    load: Callable[[], Loaded]
    digest: Callable[[], str]
    about: Mapping[str, str]
    write_results: ResultWriter | None = None


@dataclass(frozen=True, slots=True)
class ScreeningCase:
    """One case to be screened: its scans by phase. Nothing is read yet; `fault` says why nothing can be.

    `flags` are what a reader has to know of where the scans come from. `overruled` says in which way its images
    contradict each other about the patient, where they are taken all the same. `origin` is asked for a trace alone.
    `wrap_page` puts a page about the case into the format of its scans, where they have one and it is asked for.

    Raises CohortError for an id that cannot name a folder of results.
    """

    id: str
    scans: Mapping[str, ScanSource]
    fault: str = ""
    flags: tuple[str, ...] = ()
    overruled: str = ""
    origin: Callable[[], Origin] = _nowhere
    wrap_page: PageWriter | None = None

    def __post_init__(self) -> None:
        wrong = case_id_fault(self.id)
        if wrong:
            raise CohortError("These inputs cannot be screened:", [Fault("case", wrong)])


def nifti_source(path: Path) -> ScanSource:
    """Give a scan that lies in a NIfTI file."""

    def digest() -> str:
        try:
            return file_digest(path)
        except OSError as error:
            raise ImageError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error

    return ScanSource(lambda: Loaded(read_scan(path), path, header_remarks(path)), digest, {"kind": "NIfTI"})
