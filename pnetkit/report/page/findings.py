"""What was found in one phase of a case, in words: whether it was called, by how much, and what was measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STRUCTURES = ("tumor", "duct", "pancreas")


@dataclass(frozen=True, slots=True)
class PhaseFound:
    """Hold the finding of one phase; `threshold` is what the score was held to, None where nobody can tell.

    `factor` is what an operating point multiplies the classifier's thresholds with; `dice` needs a reference.
    """

    name: str
    called: bool
    score: float
    threshold: float | None
    factor: float
    measurements: Mapping[str, float]
    dice: Mapping[str, str]
    flags: tuple[str, ...]

    @property
    def relative(self) -> float:
        """Give the score in units of the threshold."""
        return self.score / (self.threshold or 1.0)

    def wanted(self, classifier: Mapping[str, Any]) -> dict[str, float | None]:
        """Give the classifier's thresholds that have a measurement's name, at the fold's operating point."""
        params = classifier.get("params", {})
        there = {name: params[name] for name in self.measurements if isinstance(params.get(name), int | float)}
        for name in list(there):  # a threshold in mm³ replaces that in voxels
            if name.endswith("_voxels") and isinstance(params.get(name.replace("_voxels", "_mm3")), int | float):
                del there[name]
        return {name: float(value) * self.factor for name, value in there.items()}


def phase_sentence(found: PhaseFound, classifier: Mapping[str, Any]) -> str:
    """Say whether a phase was called, and by how much."""
    of = f"{found.relative:.2f} times the threshold" if found.threshold is not None else f"a score of {found.score:.2f}"
    if not found.called:
        return f"Not called: {of}."
    wanted = found.wanted(classifier)
    over = [
        f"{name.partition('_')[0]} {found.measurements[name]:g}, needed {least:g}"
        for name, least in wanted.items()
        if least is not None and found.measurements[name] >= least
    ]
    return f"Called abnormal: {of}{' (' + ', '.join(over) + ')' if over else ''}."


def measured_rows(found: PhaseFound, classifier: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Give measurements with their thresholds, overlaps and flags as rows: a name and what is said."""
    wanted, rows = found.wanted(classifier), []
    left = dict(found.measurements)
    for structure in STRUCTURES:
        voxels, mm3 = left.pop(f"{structure}_voxels", None), left.pop(f"{structure}_mm3", None)
        said = [f"{voxels:,.0f} voxels"] if voxels is not None else []
        said += [f"{mm3 / 1000:.2f} ml"] if mm3 is not None else []
        least = [
            f"threshold {value:g} {'voxels' if unit == 'voxels' else 'mm³'}"
            for unit in ("voxels", "mm3")
            if (value := wanted.get(f"{structure}_{unit}")) is not None
        ]
        if said:
            rows.append((structure.capitalize(), ", ".join([*said, *least])))
    rows += [(name.replace("_", " ").capitalize(), f"{value:g}") for name, value in left.items()]
    if found.dice:
        rows.append(("Dice", ", ".join(f"{of} {text}" for of, text in found.dice.items())))
    if found.flags:
        rows.append(("Flags", ", ".join(found.flags)))
    return tuple(rows)
