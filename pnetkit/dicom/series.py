"""Find the CT series in a folder, at any depth, whatever the files are called."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import generate_uid

from pnetkit.dicom.attributes import settle
from pnetkit.errors import Fault, ImageError

_DIRECTORY = "1.2.840.10008.1.3.10"  # a DICOMDIR names other files
_WITHOUT_UID = ("STUDY", "SERIES")  # begin the keys of what has none, and stands for its folder


@dataclass(frozen=True, slots=True)
class Instance:
    """One file of a series: its header without voxels. `uid` is its SOP instance UID, or one made up in its place."""

    path: Path
    header: pydicom.Dataset
    uid: str


@dataclass(frozen=True, slots=True)
class Series:
    """Describe a series of a study.

    UIDs that are empty in the files are made up of the files' own UIDs or contents, always the same; `made_up` names
    them.
    """

    study_uid: str
    uid: str
    instances: tuple[Instance, ...]
    made_up: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """Give the series description, or an empty text."""
        return self.text("SeriesDescription")

    @property
    def acquired(self) -> str:
        """Give date and time of the acquisition as sortable digits; empty where the files do not say."""
        of = [_acquisition(instance.header) for instance in self.instances]
        return min((when for when in of if when), default="")

    @property
    def in_words(self) -> str:
        """Describe the series in one line, without anything about the patient."""
        said = [f"{len(self.instances)} images"]
        for keyword, unit in (("SliceThickness", " mm thick"), ("ConvolutionKernel", "")):
            if self.text(keyword):
                said.append(f"{self.text(keyword)}{unit}")
        if self.acquired:
            clock = self.acquired[8:14]
            said.append(f"acquired {clock[:2]}:{clock[2:4]}:{clock[4:]}")
        return f"{self.description or 'no description'!r} ({', '.join(said)}), UID {self.uid}"

    def text(self, keyword: str) -> str:
        """Give an attribute of the first image as text; several values are joined by a slash."""
        value: Any = self.instances[0].header.get(keyword)
        if value is None or value == "":
            return ""
        return "/".join(str(part) for part in value) if isinstance(value, pydicom.multival.MultiValue) else str(value)


@dataclass(frozen=True, slots=True)
class Found:
    """Hold what a folder has: series, the number of files that are no DICOM, and files that are damaged."""

    series: tuple[Series, ...]
    others: int
    faults: tuple[Fault, ...]


def find_series(folder: Path) -> Found:
    """Read the headers of all files below a folder.

    Copies of one image (same UID, same bytes) count once. A series whose UID is empty is what lies in one folder.

    Raises:
        ImageError: the folder cannot be read.
    """
    groups: dict[tuple[str, str], dict[str, Instance]] = defaultdict(dict)
    others, faults = 0, []
    for path in _files(folder):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            wrong = settle(header)
            if wrong:
                faults.append(Fault(str(path), f"its header is damaged: {'; '.join(wrong)}"))
                continue
            if header.file_meta.get("MediaStorageSOPClassUID") == _DIRECTORY or "Modality" not in header:
                others += 1
                continue
            where = path.parent.relative_to(folder).as_posix()
            key = (_uid(header, "StudyInstanceUID") or f"{_WITHOUT_UID[0]}:{where}",
                   _uid(header, "SeriesInstanceUID") or f"{_WITHOUT_UID[1]}:{where}")  # fmt: skip
            instance = Instance(path, header, _instance_uid(header, path))
        except InvalidDicomError:
            others += 1
            continue
        except Exception as error:  # noqa: BLE001  # pydicom raises whatever its parsers meet in damaged bytes
            faults.append(Fault(str(path), f"its header cannot be read ({type(error).__name__}: {error})"))
            continue
        known = groups[key].get(instance.uid)
        if known is None:
            groups[key][instance.uid] = instance
        elif _digest(known.path) != _digest(path):
            faults.append(Fault(str(path), f"has the instance UID of {known.path}, and other contents"))
    return Found(_named(groups), others, tuple(faults))


def case_id_of(study_uid: str) -> str:
    """Give the id of a study's case: a digest, because UIDs lead to patients."""
    return "study-" + hashlib.sha256(study_uid.encode()).hexdigest()[:12]


def _named(groups: dict[tuple[str, str], dict[str, Instance]]) -> tuple[Series, ...]:
    """Give every series its UIDs, those in the files or made-up ones."""
    made_up_studies: dict[str, list[str]] = defaultdict(list)
    for (study, _), instances in groups.items():
        made_up_studies[study] += instances
    found = []
    for (study, series), instances in groups.items():
        made_up = []
        if study.startswith(_WITHOUT_UID[0]):
            made_up.append("StudyInstanceUID")
            study = generate_uid(entropy_srcs=["study", *sorted(made_up_studies[study])])  # noqa: PLW2901
        if series.startswith(_WITHOUT_UID[1]):
            made_up.append("SeriesInstanceUID")
            series = generate_uid(entropy_srcs=["series", *sorted(instances)])  # noqa: PLW2901
        if any(not _uid(of.header, "SOPInstanceUID") for of in instances.values()):
            made_up.append("SOPInstanceUID")
        found.append(Series(study, series, tuple(instances[uid] for uid in sorted(instances)), tuple(made_up)))
    return tuple(sorted(found, key=lambda of: (of.study_uid, of.acquired, of.uid)))


def _files(folder: Path) -> Sequence[Path]:
    def refuse(error: OSError) -> None:
        raise ImageError(f"{error.filename}: cannot be read ({error.strerror}). Check the path.") from error

    return [Path(root) / name for root, _, names in sorted(os.walk(folder, onerror=refuse)) for name in sorted(names)]


def _uid(header: pydicom.Dataset, keyword: str) -> str:
    return str(header.get(keyword) or "")


def _instance_uid(header: pydicom.Dataset, path: Path) -> str:
    return (
        _uid(header, "SOPInstanceUID")
        or _uid(header.file_meta, "MediaStorageSOPInstanceUID")
        or generate_uid(entropy_srcs=[_digest(path)])
    )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _acquisition(header: pydicom.Dataset) -> str:
    whole = str(header.get("AcquisitionDateTime") or "")
    date = str(header.get("AcquisitionDate") or header.get("SeriesDate") or "")
    clock = str(header.get("AcquisitionTime") or "")
    return whole.split("+", maxsplit=1)[0] if whole else (date + clock if date and clock else "")
