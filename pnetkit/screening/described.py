"""What a finding says of the scans that it was made of: what they are, and what a reader has to know of them."""

from collections.abc import Mapping
from typing import Any

from pnetkit.screening.gates import GatePolicy, held_to_gates
from pnetkit.screening.screener import Screener
from pnetkit.screening.source import Loaded, ScreeningCase
from pnetkit.types import Scan


def flags_of(
    screener: Screener,
    case: ScreeningCase,
    loaded: Mapping[str, Loaded],
    digests: Mapping[str, str],
    gates: GatePolicy,
) -> list[str]:
    """Hold a case's scans to the gates, and give all that has to be known of them. Raises GateError as the gates do."""
    flags = [*case.flags]
    flags += [f"{phase}: {flag}" for phase, found in loaded.items() for flag in found.flags]
    scans = {phase: found.scan for phase, found in loaded.items()}
    seen = {} if screener.model.resamples else screener.model.content["grid"]["seen"]  # else spacings may differ
    return flags + held_to_gates(scans, digests, seen, gates)


def images_of(case: ScreeningCase, digests: Mapping[str, str], scans: Mapping[str, Scan]) -> dict[str, dict[str, Any]]:
    """Describe the scans of a case by phase, as they stand in a record."""
    return {
        phase: {
            **case.scans[phase].about,
            "sha256": digests[phase],
            "shape": list(scan.grid.shape),
            "spacing_mm": [round(edge, 4) for edge in scan.grid.spacing_mm],
        }
        for phase, scan in scans.items()
    }
