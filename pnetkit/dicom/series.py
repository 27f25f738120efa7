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
from pnetkit.dicom.files import read_file, same_image
from pnetkit.dicom.neighbors import unlike_neighbors
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
    them. `part` tells one acquisition from others of the same UID (`AcquisitionNumber=2`), and is empty where there is
    one. `left_out` counts in words the images of the series that are none of its volume.
    """

    study_uid: str
    uid: str
    instances: tuple[Instance, ...]
    made_up: tuple[str, ...] = ()
    part: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Give the UID, followed by the part where there are several: what `--series` takes."""
        return f"{self.uid}/{self.part}" if self.part else self.uid

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
        said = [f"{len(self.instances)} image{'s' if len(self.instances) > 1 else ''}"]
        for keyword, unit in (("SliceThickness", " mm thick"), ("ConvolutionKernel", "")):
            if self.text(keyword):
                said.append(f"{self.text(keyword)}{unit}")
        if self.acquired:
            clock = self.acquired[8:14]
            said.append(f"acquired {clock[:2]}:{clock[2:4]}:{clock[4:]}")
        if self.left_out:
            said.append(f"without {', '.join(self.left_out)}")
        return f"{self.description or 'no description'!r} ({', '.join(said)}), UID {self.name}"

    def text(self, keyword: str) -> str:
        """Give an attribute of the first image as text; several values are joined by a slash."""
        value: Any = self.instances[0].header.get(keyword)
        if value is None or value == "":
            return ""
        return "/".join(str(part) for part in value) if isinstance(value, pydicom.multival.MultiValue) else str(value)


@dataclass(frozen=True, slots=True)
class Found:
    """Hold what a folder has: series, the number of files that are no DICOM, damaged files, and notes."""

    series: tuple[Series, ...]
    others: int
    faults: tuple[Fault, ...]
    notes: tuple[str, ...] = ()


def find_series(folder: Path) -> Found:
    """Read the headers of all files below a folder, behind links too.

    Copies of one image (same UID, same bytes) count once; where only their headers differ, the first is taken, and a
    note says so. A series whose UID is empty is what lies in one folder. A file that is named like the images beside
    it and is none was cut off. What is the same with many files of a folder is one fault.

    Raises:
        ImageError: the folder cannot be read.
    """
    groups: dict[tuple[str, str], dict[str, Instance]] = defaultdict(dict)
    others: list[Path] = []
    faults: dict[tuple[Path, str], list[tuple[Path, str]]] = defaultdict(list)
    copies: dict[tuple[Path, Path], int] = defaultdict(int)
    for path in _files(folder):
        try:
            read = _instance(path, folder)
        except ImageError as error:
            faults[path.parent, str(error)].append((path, str(error)))
            continue
        except Exception as error:  # noqa: BLE001  # pydicom raises whatever its parsers meet in damaged bytes
            reason = f"its header cannot be read ({type(error).__name__}: {error})"
            faults[path.parent, type(error).__name__].append((path, reason))
            continue
        if read is None:
            others.append(path)
            continue
        key, instance = read
        known = groups[key].setdefault(instance.uid, instance)
        if known is instance or _digest(known.path) == _digest(path):
            continue
        if _is_same_image(known.path, path):
            copies[known.path.parent, path.parent] += 1
        else:
            reason = f"another file has the instance UID of this one, and other contents: {path}"
            faults[known.path.parent, str(path.parent)].append((known.path, reason))
    lacking = {of.path: _lacking(key) for key, instances in groups.items() for of in instances.values()}
    odd = unlike_neighbors(lacking, others)
    for path, reason in odd.items():
        faults[path.parent, reason].append((path, reason))
    for key in list(groups):
        groups[key] = {uid: of for uid, of in groups[key].items() if of.path not in odd}
    notes = [
        f"{count} images in {other} are those in {one} with other headers; those in {one} are taken"
        for (one, other), count in copies.items()
    ]
    others = [path for path in others if path not in odd]
    return Found(
        _named({key: of for key, of in groups.items() if of}),
        len(others),
        tuple(map(_one_fault, faults.values())),
        tuple(notes),
    )


def _instance(path: Path, folder: Path) -> tuple[tuple[str, str], Instance] | None:
    """Read a file's header, with the key of its series; None where it is no image or report of DICOM.

    Raises ImageError where an attribute cannot be read that pnetkit relies on, and whatever pydicom does.
    """
    try:
        header = read_file(path, voxels=False)
    except InvalidDicomError:
        return None
    wrong = settle(header)
    if wrong:
        raise ImageError(f"its header is damaged: {'; '.join(wrong)}")
    if header.file_meta.get("MediaStorageSOPClassUID") == _DIRECTORY:
        return None
    if not any(keyword in header for keyword in ("Modality", "SOPClassUID", "Rows")):
        return None
    where = path.parent.relative_to(folder).as_posix()
    study = _uid(header, "StudyInstanceUID") or f"{_WITHOUT_UID[0]}:{where}"
    series = _uid(header, "SeriesInstanceUID") or f"{_WITHOUT_UID[1]}:{where}"
    return (study, series), Instance(path, header, _instance_uid(header, path))


def _lacking(key: tuple[str, str]) -> str:
    """Name the UIDs that the images of a group do not have."""
    named = zip(("StudyInstanceUID", "SeriesInstanceUID"), key, _WITHOUT_UID, strict=True)
    return " and no ".join(keyword for keyword, value, mark in named if value.startswith(f"{mark}:"))


def _is_same_image(one: Path, other: Path) -> bool:
    try:
        return same_image(one, other)
    except Exception:  # noqa: BLE001  # as above: what cannot be compared is not the same
        return False


def _one_fault(alike: Sequence[tuple[Path, str]]) -> Fault:
    """Say once what is the same with many files of a folder."""
    path, reason = alike[0]
    more = f" So it is with {len(alike) - 1} more files of this folder." if len(alike) > 1 else ""
    return Fault(str(path), f"{reason}.{more}" if more else reason)


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
    """List the files below a folder, each folder once: links are followed, and may lead in a circle."""

    def refuse(error: OSError) -> None:
        raise ImageError(f"{error.filename}: cannot be read ({error.strerror}). Check the path.") from error

    seen: set[str] = set()
    found: list[Path] = []
    for root, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        found += [Path(root) / name for name in names]
    return sorted(found, key=lambda path: (str(path.parent), path.name))


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
