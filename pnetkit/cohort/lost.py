"""Say before any training which lesions of a cohort's labels a spacing leaves no voxel of."""

from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial

from pnetkit.cohort.check import CheckedCase, LabelPolicy
from pnetkit.errors import Fault, counted
from pnetkit.imaging.lost_lesions import Lost, lost_lesions
from pnetkit.imaging.nifti import read_labels
from pnetkit.imaging.spacing import Spacing, grid_at, labels_on, median_spacing, spacing_in_words
from pnetkit.label_sets import in_file
from pnetkit.types import ScanFiles


def lost_notes(
    cases: Sequence[CheckedCase],
    phase: str,
    spacing_mm: Spacing | str,
    policy: LabelPolicy,
    executor: Executor,
) -> list[Fault]:
    """Name the labeled scans of a phase with lesions that have no voxel at a spacing, or at the median of all of them.

    `median` stands for the latter: that of a training is of fewer cases, and may be a little off it.
    """
    labeled = [item for item in cases if phase in item.scans and item.scans[phase].label_digest is not None]
    if not labeled:
        return []
    at = median_spacing([item.scans[phase].grid for item in labeled]) if isinstance(spacing_mm, str) else spacing_mm
    look = partial(_lost, policy=policy, spacing_mm=at)
    found = executor.map(look, [item.case.scans[phase] for item in labeled])
    return [
        Fault(f"case {item.case.id}, {phase}", said)
        for item, lost in zip(labeled, found, strict=True)
        for said in [_in_words(lost, at)]
        if said
    ]


def _lost(files: ScanFiles, policy: LabelPolicy, spacing_mm: Spacing) -> Lost:
    if files.label is None:
        return {}
    labels, grid = read_labels(files.label, policy.mapping, unmapped=policy.unmapped)
    labels, at = in_file(labels), grid_at(grid, spacing_mm)
    return {} if at is grid else lost_lesions(labels, grid, labels_on(labels, grid, at), at)


def _in_words(lost: Lost, at: Spacing) -> str:
    said = [f"{gone} of {counted(there, 'piece')} of {name}" for name, (there, gone) in lost.items() if gone]
    return f"{' and '.join(said)} have no voxel left at {spacing_in_words(at)}" if said else ""
