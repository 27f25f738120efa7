"""Where a finding lies, for reports that point at it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Hold one connected piece of a label: its center (RAS+ mm), its volume, and which of how many it is.

    `number` counts the pieces of a label from 1, the largest first.
    """

    label: int
    number: int
    count: int
    center_mm: tuple[float, float, float]
    volume_mm3: float
