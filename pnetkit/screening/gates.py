"""Hold scans to what a model can be asked about, before it is asked."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from pnetkit.errors import GateError
from pnetkit.imaging.landmarks import Landmarks, find_landmarks
from pnetkit.screening.contrast_phase import contrast_phase, expected_phase
from pnetkit.types import Scan

GatePolicy = Literal["error", "flag", "off"]
"""What becomes of a scan that fails a gate: the case has no finding, or one with a flag; or nothing is looked at."""

LEAST_HEIGHT_MM = 80.0
"""A pancreas reaches over 60 to 100 mm along the body."""

MOST_CUT_OFF = 0.5
"""Share of slices whose body may reach both lateral borders: more is a reconstruction of a part of the body."""

SAME_HU = 1.0
"""Voxels of two scans that differ by less, everywhere, are those of one scan that was packed twice."""

LEAST_LIVER_ML, MIRRORED_ML = 20.0, 40.0
"""The core of the liver (more than 12 mm from its surface) on the right; and on the left, when it is the larger one."""


def held_to_gates(
    scans: Mapping[str, Scan], digests: Mapping[str, str], grids_seen: Mapping[str, Any], policy: GatePolicy
) -> list[str]:
    """Give what a reader has to know of the scans of a case.

    `digests` are of the scans' contents; `grids_seen` is what a model says of the grids that it learned from.

    Raises:
        GateError: the policy is `error`, and a scan does not look like its phase or not like an upper abdomen.
    """
    if policy == "off":
        return []
    faults, flags = duplicates(digests, scans), spacing_flags(grids_seen, scans)
    for phase, scan in scans.items():
        found = find_landmarks(scan)
        wrong, unsure = phase_gate(phase, found)
        faults += wrong + field_of_view_gate(phase, found)
        flags += unsure
    if faults and policy == "error":
        raise GateError(f"{'; '.join(faults)}. Check the scan, or screen with --on-gate flag.")
    return faults + flags


def phase_gate(phase: str, found: Landmarks) -> tuple[list[str], list[str]]:
    """Compare a scan's phase with what it is given as: faults, and flags where the image does not say."""
    wanted, seen = expected_phase(phase), contrast_phase(found)
    if wanted is None or seen == wanted:
        return [], []
    said = f"{phase}: {_in_words(found)}"
    if seen == "unclear":
        return [], [f"{said}; its contrast phase is unclear"]
    return [f"{said}, which looks {seen}"], []


def field_of_view_gate(phase: str, found: Landmarks) -> list[str]:
    """Say what speaks against the upper abdomen being in the field of view."""
    faults = []
    if found.height_mm < LEAST_HEIGHT_MM:
        faults.append(f"{phase}: is {found.height_mm:.0f} mm high, wanted {LEAST_HEIGHT_MM:.0f} mm for a pancreas")
    if found.cut_off_share > MOST_CUT_OFF:
        faults.append(f"{phase}: the body is cut off at both sides in {found.cut_off_share:.0%} of the slices")
    if found.left_core_ml > max(MIRRORED_ML, 2 * found.right_core_ml):
        faults.append(f"{phase}: the liver seems to lie on the left, as in a mirrored image")
    elif found.right_core_ml < LEAST_LIVER_ML:
        faults.append(
            f"{phase}: {found.right_core_ml:.0f} ml of liver core, wanted {LEAST_LIVER_ML:.0f} of an upper abdomen"
        )
    return faults


def duplicates(digests: Mapping[str, str], scans: Mapping[str, Scan]) -> list[str]:
    """Say which phases are one and the same scan: the same contents, or the same voxels packed in another way."""
    faults = []
    for place, (phase, scan) in enumerate(scans.items()):
        for other in list(scans)[:place]:
            if digests[phase] == digests[other]:
                faults.append(f"{phase} is the same scan as {other}")
                break
            if _same_voxels(scan, scans[other]):
                faults.append(f"{phase} is the same scan as {other}, packed in another way: their voxels are the same")
                break
    return faults


def _same_voxels(one: Scan, other: Scan) -> bool:
    """Compare voxels in RAS+ order; what is rounded otherwise is the same, and so is what lies elsewhere."""
    if one.hu.shape != other.hu.shape:
        return False
    return all(np.abs(plane - same).max() < SAME_HU for plane, same in zip(one.hu, other.hu, strict=True))


def spacing_flags(grids_seen: Mapping[str, Any], scans: Mapping[str, Scan]) -> list[str]:
    """Say which scans have voxels of other sizes than those that the networks learned from, by more than a tenth."""
    flags = []
    for phase, scan in scans.items():
        seen = grids_seen.get(phase)
        if seen is None:
            continue
        edges, ranges = scan.grid.spacing_mm, seen["spacing_mm"]
        if any(not 0.9 * low <= edge <= 1.1 * high for edge, (low, high) in zip(edges, ranges, strict=True)):
            got = " x ".join(f"{edge:.3g}" for edge in edges)
            wanted = " x ".join(f"{low:.3g}" if low == high else f"{low:.3g}-{high:.3g}" for low, high in ranges)
            flags.append(f"{phase}: voxels of {got} mm; the networks learned from {wanted} mm")
    return flags


def _in_words(found: Landmarks) -> str:
    aorta = "no vessel with contrast" if found.vessel_hu is None else f"the aorta at {found.vessel_hu:.0f} HU"
    liver = "no liver" if found.liver_hu is None else f"the liver at {found.liver_hu:.0f} HU"
    return f"the image shows {aorta} and {liver}"
