"""Find the cases in folders laid out for other tools: nnU-Net, MSD, MONAI, PANORAMA, or by a pattern."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pnetkit.cohort.folder_files import files_below, without_ending
from pnetkit.errors import CohortError, Fault


@dataclass(frozen=True, slots=True)
class Entry:
    """Describe a case that was found: files by phase, and what the layout says of it, if anything.

    `abnormal` is the diagnosis that comes with the set, `more` are further columns of the table by name.
    """

    case_id: str
    patient_id: str
    images: Mapping[str, Path]
    labels: Mapping[str, Path] = field(default_factory=dict)
    fold: int | None = None
    site: str = ""
    abnormal: bool | None = None
    held_out: bool = False
    more: Mapping[str, str] = field(default_factory=dict)


def nnunet_cases(folder: Path, phases: Mapping[str, str]) -> list[Entry]:
    """Read a raw folder of nnU-Net (`imagesTr/CASE_0000.nii.gz`, `labelsTr/CASE.nii.gz`, `dataset.json`).

    `phases` maps channel numbers to phases; channels that are not named are left out. Labels hold for all phases.
    """
    dataset = _json(folder / "dataset.json")
    channels = dataset.get("channel_names") or dataset.get("modality") or {}
    unknown = [key for key in phases if key not in channels]
    if unknown:
        raise _wrong(folder, f"has the channels {channels}, and none with the number {unknown[0]!r}")
    ending = dataset.get("file_ending", ".nii.gz")
    if not isinstance(ending, str) or not isinstance(channels, dict):
        raise _wrong(folder / "dataset.json", f"has file_ending {ending!r} and channels {channels!r}")
    found: dict[str, dict[str, Path]] = {}
    for path in _directly_in(folder / "imagesTr"):
        name = without_ending(path.name, (ending,))
        if name is None and without_ending(path.name) is not None:
            raise _wrong(
                path, f"ends otherwise than dataset.json says ({ending}); rename or convert it, or change file_ending"
            )
        case, _, number = (name or "").rpartition("_")
        if number.isdecimal() and str(int(number)) in phases:
            _put(found.setdefault(case, {}), phases[str(int(number))], path)
    drawn = {without_ending(path.name, (ending,)): path for path in _directly_in(folder / "labelsTr")}
    return [
        Entry(case, case, images, dict.fromkeys(images, drawn[case]) if case in drawn else {})
        for case, images in sorted(found.items())
    ]


def msd_cases(path: Path, phases: Mapping[str, str]) -> list[Entry]:
    """Read a dataset of the Medical Segmentation Decathlon (`dataset.json`); `image` maps to a phase."""
    path = path / "dataset.json" if path.is_dir() else path
    return _listed(path, _json(path).get("training"), phases)


def monai_cases(path: Path, phases: Mapping[str, str]) -> list[Entry]:
    """Read a MONAI datalist: lists of mappings with `label`, `fold`, and images under the keys that `phases` maps.

    Where a key holds several images, they are `KEY.0`, `KEY.1`, … Paths are relative to the file.
    """
    content = _json(path)
    lists = {key: of for key, of in content.items() if isinstance(of, list) and of and isinstance(of[0], dict)}
    return _listed(path, [item for of in lists.values() for item in of], phases)


def panorama_cases(folder: Path, phases: Mapping[str, str], labels: Path | None) -> list[Entry]:
    """Read images of PANORAMA (`PATIENT_STUDY_0000.nii.gz`, at any depth), and labels from another folder of its.

    Labels lie in `manual_labels` or `automatic_labels` as `PATIENT_STUDY.nii.gz`; manual ones come first.
    """
    (phase,) = _only(folder, phases)
    of_labels = [] if labels is None else sorted(files_below(labels), key=_manual_last)
    drawn = {without_ending(path.name): path for path in of_labels}
    entries = []
    for path in files_below(folder):
        name = without_ending(path.name)
        if name is None or not name.endswith("_0000"):
            continue
        case = name.removesuffix("_0000")
        label = drawn.get(case)
        entries.append(Entry(case, case.split("_")[0], {phase: path}, {} if label is None else {phase: label}))
    return entries


def pattern_cases(folder: Path, images: str, labels: str | None, phases: Mapping[str, str]) -> list[Entry]:
    """Find files below a folder by patterns with `{case}`, and `{phase}` or `{patient}` where they are in the path.

    `phases` maps what stands for `{phase}` in the files to phases. A pattern without `{phase}` needs one phase.
    """
    expression = _expression(images)
    there = {path.relative_to(folder).as_posix(): path for path in files_below(folder)}
    any_capitals = {name.lower(): path for name, path in there.items()}
    found: dict[tuple[str, str], dict[str, Path]] = {}
    for relative, path in there.items():
        match = expression.fullmatch(relative)
        if match is None:
            continue
        parts = match.groupdict()
        phase = phases.get(parts["phase"]) if "phase" in parts else _only(folder, phases)[0]
        if phase is not None:
            _put(found.setdefault((parts["case"], parts.get("patient", parts["case"])), {}), phase, path)
    words = {phase: word for word, phase in phases.items()}
    entries = []
    for (case, patient), by_phase in sorted(found.items()):
        drawn = {}
        for phase in by_phase:
            if labels is not None:
                name = labels.replace("{case}", case).replace("{phase}", words[phase])
                name = Path(name.replace("{patient}", patient)).as_posix()
                label = there.get(name, any_capitals.get(name.lower()))
                if label is not None:
                    drawn[phase] = label
        entries.append(Entry(case, patient, by_phase, drawn))
    return entries


def _listed(path: Path, items: Any, phases: Mapping[str, str]) -> list[Entry]:
    if not isinstance(items, list):
        raise _wrong(path, "has no list of cases ('training')")
    entries, faults = [], []
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            faults.append(Fault(f"{path}, case {number}", f"is {type(item).__name__}, wanted image and label"))
            continue
        images = {phase: value for key, phase in phases.items() if (value := _at(item, key)) is not None}
        if not images:
            faults.append(Fault(f"{path}, case {number}", f"has the keys {sorted(item)}, none of {sorted(phases)}"))
            continue
        placed = {phase: path.parent / str(value) for phase, value in images.items()}
        label = item.get("label")
        case = _case_of(next(iter(placed.values())))
        fold = item.get("fold")
        labels = {} if label is None else dict.fromkeys(placed, path.parent / str(label))
        if label is not None and not (path.parent / str(label)).is_file():
            faults.append(Fault(f"{path}, case {number}", f"names the label {label}, and there is no such file"))
        entries.append(Entry(case, case, placed, labels, fold if isinstance(fold, int) else None))
    if faults:
        raise CohortError(f"{path} cannot be taken in:", faults)
    return entries


def _at(item: Mapping[str, Any], key: str) -> Any:
    name, _, number = key.partition(".")
    value = item.get(name)
    if isinstance(value, list):
        return value[int(number)] if number.isdigit() and int(number) < len(value) else None
    return value if not number else None


def _directly_in(folder: Path) -> list[Path]:
    return [path for path in files_below(folder) if path.parent == folder]


def _put(images: dict[str, Path], phase: str, path: Path) -> None:
    """Note the image of a phase; two for one phase of one case would be a choice that nobody made."""
    if phase in images:
        raise _wrong(path, f"is the {phase} image of a case that has one already: {images[phase]}")
    images[phase] = path


def _case_of(path: Path) -> str:
    name = without_ending(path.name)
    return (path.name if name is None else name).removesuffix("_0000")


def _manual_last(path: Path) -> tuple[bool, str]:
    return "manual" in path.parent.name, str(path)


def _only(where: Path, phases: Mapping[str, str]) -> Sequence[str]:
    if len(phases) != 1:
        raise _wrong(where, f"holds one phase; give one --phase, not {len(phases)}")
    return list(phases.values())


def _expression(pattern: str) -> re.Pattern[str]:
    if "{case}" not in pattern:
        raise CohortError("The pattern cannot be used:", [Fault(pattern, "has no {case}")])
    parts = re.split(r"(\{(?:case|phase|patient)\})", pattern)
    seen: set[str] = set()
    made = ""
    for part in parts:
        if part.startswith("{") and part.endswith("}"):
            name = part[1:-1]
            made += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+?)"
            seen.add(name)
        else:
            stem = without_ending(part)
            made += re.escape(part) if stem is None else f"{re.escape(stem)}(?i:{re.escape(part[len(stem) :])})"
    return re.compile(made)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _wrong(path, f"cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise _wrong(path, f"holds a {type(content).__name__}, wanted a mapping")
    return content


def _wrong(where: Path, message: str) -> CohortError:
    return CohortError("The cohort cannot be imported:", [Fault(str(where), message)])
