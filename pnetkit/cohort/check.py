"""Check the files of a cohort before anything runs, and take their digests."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pnetkit.errors import Fault, ImageError
from pnetkit.files import file_digest, held_still
from pnetkit.imaging.nifti import header_remarks, read_grid, read_labels, read_scan
from pnetkit.label_sets import IGNORED, not_annotated
from pnetkit.types import DUCT, GRID_TOLERANCE_VOXELS, PANCREAS, TUMOR, Case, Grid, ScanFiles


@dataclass(frozen=True, slots=True)
class LabelPolicy:
    """Say how label values in files become 0-3: a mapping, or none when they are 0-3 already."""

    mapping: Mapping[int, int] | None = None
    unmapped: str = "error"


@dataclass(frozen=True, slots=True)
class Content:
    """Hold what a reference label shows: voxels of tumor and duct, and the pancreas's median HU, where there is one.

    Voxels that are to be ignored are counted too.
    """

    tumor_voxels: int
    duct_voxels: int
    pancreas_hu: float | None
    ignored_voxels: int = 0


@dataclass(frozen=True, slots=True)
class CheckedScan:
    """Hold what a check found out about one phase: digests of its files, the grid in RAS+ order, the label's content.

    `voxel_digest` is of the voxels in RAS+ order: the same for copies that are packed or turned otherwise. `remarks`
    are what is worth knowing of the headers of both files.
    """

    image_digest: str
    label_digest: str | None
    grid: Grid
    voxel_digest: str
    content: Content | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedCase:
    """Hold a case, what is wrong with it, and what is worth knowing about it."""

    case: Case
    scans: Mapping[str, CheckedScan]
    faults: tuple[Fault, ...]
    notes: tuple[Fault, ...] = ()


def check_case(case: Case, labels: LabelPolicy) -> CheckedCase:
    """Open every file of a case: readable, finite, plausible HU, labels known and on the image's grid.

    A normal case with tumor voxels is a fault; an abnormal case without tumor or duct is a note.
    """
    return judged(case, {phase: check_scan(files, labels) for phase, files in case.scans.items()})


def check_scan(files: ScanFiles, labels: LabelPolicy) -> CheckedScan | str:
    """Open the files of one phase; give what they hold, or say what is wrong with them."""
    try:
        with held_still([files.image, *([] if files.label is None else [files.label])]):
            return _looked_at(files, labels)
    except ImageError as error:
        return str(error)


def judged(case: Case, found: Mapping[str, CheckedScan | str]) -> CheckedCase:
    """Judge a case by what was found of its phases, or is wrong with them."""
    scans = {phase: of for phase, of in found.items() if isinstance(of, CheckedScan)}
    faults = [Fault(f"case {case.id}, {phase}", of) for phase, of in found.items() if isinstance(of, str)]
    shown = {phase: scan.content for phase, scan in scans.items() if scan.content is not None}
    tumor = ", ".join(f"{phase} {of.tumor_voxels} voxels" for phase, of in shown.items() if of.tumor_voxels)
    if case.abnormal is False and tumor:
        faults.append(Fault(f"case {case.id}", f"is called normal, but its labels show a tumor ({tumor})"))
    digests = [scan.voxel_digest for scan in scans.values()]
    if len(set(digests)) < len(digests):
        faults.append(Fault(f"case {case.id}", "two phases have the same image content; one scan was copied"))
    notes = []
    absent = not_annotated(case.labeled)
    for phase, of in shown.items():
        held = {"pancreas": of.pancreas_hu is not None, "tumor": of.tumor_voxels > 0, "duct": of.duct_voxels > 0}
        faults += [
            Fault(f"case {case.id}, {phase}", f"labeled does not name {name}, but the label holds it; add it there")
            for name in absent
            if held[name]
        ]
    has_none = shown and not any(of.tumor_voxels + of.duct_voxels for of in shown.values())
    if case.abnormal and has_none and "tumor" not in absent:
        notes.append(Fault(f"case {case.id}", "is called abnormal, but none of its labels shows a tumor or duct"))
    return CheckedCase(case, scans, tuple(faults), tuple(notes))


def duplicate_images(checked: Sequence[CheckedCase]) -> list[Fault]:
    """Find image content that stands under two cases: across folds it would leak from training into the test."""
    owners: dict[str, list[str]] = defaultdict(list)
    for item in checked:
        for phase, scan in item.scans.items():
            owners[scan.voxel_digest].append(f"{item.case.id} ({phase})")
    return [
        Fault("cohort", f"the same image content stands under {', '.join(names)}; keep one")
        for names in owners.values()
        if len({name.split(" ")[0] for name in names}) > 1
    ]


def grid_faults(item: CheckedCase, phases: Sequence[str]) -> list[Fault]:
    """Find phases that do not lie on the grid of the first one, as phases have to that are stacked as they are."""
    there = [phase for phase in phases if phase in item.scans]
    faults = []
    for phase in there[1:]:
        first, other = item.scans[there[0]].grid, item.scans[phase].grid
        if not first.corner_distance_voxels(other) <= GRID_TOLERANCE_VOXELS:
            distance = first.corner_distance_mm(other)
            apart = f"shape {other.shape}, not {first.shape}" if np.isinf(distance) else f"{distance:.4g} mm apart"
            message = f"{phase} does not lie on the grid of {there[0]} ({apart}); an input of both needs resample: true"
            faults.append(Fault(f"case {item.case.id}", message))
    return faults


def require_on_grid(path: Path, got: Grid, image: Grid, remedy: str) -> None:
    """Make sure that a file of labels lies on its image's grid, but for what tools round. Raises ImageError."""
    voxels = image.corner_distance_voxels(got)
    if voxels <= GRID_TOLERANCE_VOXELS:
        return
    apart = "the shapes differ"
    if np.isfinite(voxels):
        mm = image.corner_distance_mm(got)
        apart = f"corners lie {mm:.4g} mm apart, {voxels:.3g} voxels; wanted at most {GRID_TOLERANCE_VOXELS:g}"
    raise ImageError(f"{path}: its grid {got.shape} is not that of the image {image.shape}: {apart}. {remedy}.")


def _looked_at(files: ScanFiles, policy: LabelPolicy) -> CheckedScan:
    """Look at one phase, and at its labels where it has any."""
    scan = read_scan(files.image)
    content = None
    if files.label is not None:
        require_on_grid(files.label, read_grid(files.label), scan.grid, "Export the labels on the image's own grid")
        labels, _ = read_labels(files.label, policy.mapping, unmapped=policy.unmapped)
        pancreas = scan.hu[labels == PANCREAS]
        content = Content(
            int((labels == TUMOR).sum()),
            int((labels == DUCT).sum()),
            float(np.median(pancreas)) if pancreas.size else None,
            int((labels == IGNORED).sum()),
        )
    label_digest = file_digest(files.label) if files.label is not None else None
    voxels = hashlib.sha256(np.ascontiguousarray(scan.hu).tobytes()).hexdigest()
    said = header_remarks(files.image)
    if files.label is not None:
        said += tuple(f"label: {remark}" for remark in header_remarks(files.label) if remark not in said)
    return CheckedScan(file_digest(files.image), label_digest, scan.grid, voxels, content, said)
