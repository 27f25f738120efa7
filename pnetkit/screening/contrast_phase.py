"""Tell the contrast phase of an abdominal CT from the image: enough to catch a swapped or unenhanced scan."""

from typing import Literal

from pnetkit.imaging.landmarks import Landmarks
from pnetkit.screening.phase_words import phases_named

ContrastPhase = Literal["non-contrast", "arterial", "venous", "unclear"]

ARTERIAL_RATIO, VENOUS_RATIO = 2.3, 1.9
"""Aorta over liver. In the arterial phases the aorta has 200 to 400 HU and the liver has hardly taken up any contrast
(60 to 85); in the portal venous phase both lie between 90 and 180. What lies between is called unclear."""

ARTERIAL_HU, VENOUS_HU = 250.0, 180.0
"""The aorta alone, where no liver was found; and the least of an arterial one."""

UNENHANCED_LIVER_HU = 75.0
"""An unenhanced liver has 45 to 65, less when it is fatty."""


def contrast_phase(found: Landmarks) -> ContrastPhase:
    """Tell the phase; `unclear` where the landmarks do not say."""
    vessel, liver = found.vessel_hu, found.liver_hu
    if vessel is None:
        return "non-contrast" if liver is not None and liver <= UNENHANCED_LIVER_HU else "unclear"
    if liver is None or liver <= 0:
        return "arterial" if vessel >= ARTERIAL_HU else "venous" if vessel <= VENOUS_HU else "unclear"
    if vessel >= VENOUS_HU and vessel / liver >= ARTERIAL_RATIO:
        return "arterial"
    return "venous" if vessel / liver <= VENOUS_RATIO else "unclear"


def expected_phase(name: str) -> ContrastPhase | None:
    """Give the contrast phase that a recipe's phase name stands for; None for names that say nothing of it."""
    said: set[ContrastPhase] = {phase for phase in phases_named(name) if phase != "delayed"}
    return next(iter(said)) if len(said) == 1 else None
