"""Hold scans to what a model can be asked about, before it is asked."""

from collections.abc import Mapping
from typing import Literal

from pnetkit.screening.model import Model
from pnetkit.types import Scan

GatePolicy = Literal["error", "flag", "off"]
"""What becomes of a scan that fails a gate: the case has no finding, or one with a flag; or nothing is looked at."""


def held_to_gates(model: Model, scans: Mapping[str, Scan], policy: GatePolicy) -> list[str]:
    """Give what a reader has to know of the scans."""
    return [] if policy == "off" else spacing_flags(model, scans)


def spacing_flags(model: Model, scans: Mapping[str, Scan]) -> list[str]:
    """Say which scans have voxels of other sizes than those that the networks learned from, by more than a tenth."""
    flags = []
    for phase, scan in scans.items():
        seen = model.content["grid"]["seen"].get(phase)
        if seen is None:
            continue
        edges, ranges = scan.grid.spacing_mm, seen["spacing_mm"]
        if any(not 0.9 * low <= edge <= 1.1 * high for edge, (low, high) in zip(edges, ranges, strict=True)):
            got = " x ".join(f"{edge:.3g}" for edge in edges)
            wanted = " x ".join(f"{low:.3g}-{high:.3g}" for low, high in ranges)
            flags.append(f"{phase}: voxels of {got} mm; the networks learned from {wanted} mm")
    return flags
