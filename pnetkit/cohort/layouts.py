"""Find the cases in folders laid out for other tools: nnU-Net, MSD, MONAI, PANORAMA, or by a pattern."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pnetkit.errors import CohortError, Fault

ENDINGS = (".nii.gz", ".nii")


@dataclass(frozen=True, slots=True)
class Entry:
    """Describe a case that was found: files by phase, and the fold that the layout gives it, if any."""

    case_id: str
    patient_id: str
    images: Mapping[str, Path]
    labels: Mapping[str, Path] = field(default_factory=dict)
    fold: int | None = None


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
    found: dict[str, dict[str, Path]] = {}
    for path in sorted((folder / "imagesTr").glob(f"*{ending}")):
        case, _, number = path.name.removesuffix(ending).rpartition("_")
        if number.isdigit() and str(int(number)) in phases:
            found.setdefault(case, {})[phases[str(int(number))]] = path
    return [
        Entry(case, case, images, _for_all(images, folder / "labelsTr" / f"{case}{ending}"))
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
    drawn = {} if labels is None else {p.name: p for p in sorted(labels.rglob("*.nii.gz"), key=_manual_last)}
    entries = []
    for path in sorted(folder.rglob("*_0000.nii.gz")):
        case = path.name.removesuffix("_0000.nii.gz")
        label = drawn.get(f"{case}.nii.gz")
        entries.append(Entry(case, case.split("_")[0], {phase: path}, {} if label is None else {phase: label}))
    return entries


def pattern_cases(folder: Path, images: str, labels: str | None, phases: Mapping[str, str]) -> list[Entry]:
    """Find files below a folder by patterns with `{case}`, and `{phase}` or `{patient}` where they are in the path.

    `phases` maps what stands for `{phase}` in the files to phases. A pattern without `{phase}` needs one phase.
    """
    expression = _expression(images)
    found: dict[str, dict[str, Path]] = {}
    patients: dict[str, str] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        match = expression.fullmatch(path.relative_to(folder).as_posix())
        if match is None:
            continue
        parts = match.groupdict()
        phase = phases.get(parts["phase"]) if "phase" in parts else _only(folder, phases)[0]
        if phase is not None:
            found.setdefault(parts["case"], {})[phase] = path
            patients[parts["case"]] = parts.get("patient", parts["case"])
    words = {phase: word for word, phase in phases.items()}
    entries = []
    for case, by_phase in sorted(found.items()):
        drawn = {}
        for phase in by_phase:
            if labels is not None:
                name = labels.replace("{case}", case).replace("{phase}", words[phase])
                path = folder / name.replace("{patient}", patients[case])
                if path.is_file():
                    drawn[phase] = path
        entries.append(Entry(case, patients[case], by_phase, drawn))
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
        labels = {} if label is None else _for_all(placed, path.parent / str(label))
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


def _case_of(path: Path) -> str:
    name = path.name
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    return name.removesuffix("_0000")


def _for_all(images: Mapping[str, Path], label: Path) -> dict[str, Path]:
    return dict.fromkeys(images, label) if label.is_file() else {}


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
            made += re.escape(part)
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
