"""The name of a file of one phase of a case, and whether two of them would be one."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from pnetkit.errors import CohortError, Fault

AGREEMENT = "agreement"
"""What lies beside a segmentation, where votes are kept."""


def segmentation_name(case_id: str, phase: str, beside: str = "") -> str:
    """Give the name of a segmentation among a run's results, or of what lies beside it."""
    return f"{case_id}_{phase}_{beside}.nii.gz" if beside else f"{case_id}_{phase}.nii.gz"


def segmentation_names(case_id: str, phase: str) -> tuple[str, ...]:
    """Give the names of all files that a run writes for one phase of a case."""
    return segmentation_name(case_id, phase), segmentation_name(case_id, phase, AGREEMENT)


def require_distinct_names(
    case_ids: Iterable[str],
    phases: Sequence[str],
    names: Callable[[str, str], Sequence[str]] = segmentation_names,
) -> None:
    """Make sure that no two scans have one file: `P1` and `late_venous` would have that of `P1_late` and `venous`.

    Names that differ in capitals only are one file on some disks. Raises CohortError naming all that would be.
    """
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for case_id in case_ids:
        for phase in phases:
            for name in names(case_id, phase):
                by_name[name.lower()].append(f"{phase} of {case_id}")
    faults = [
        Fault(name, f"would be a file of {' and of '.join(of)}; rename a case or an input")
        for name, of in by_name.items()
        if len(of) > 1
    ]
    if faults:
        raise CohortError("Two scans would have one file, and one would overwrite the other:", faults)
