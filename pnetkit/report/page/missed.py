"""Say why a tumor was not found: not segmented, outside the search, removed by a rule, or too little of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pnetkit.types import CLASSES, DUCT, TUMOR

Labels = NDArray[np.uint8]

Fate = Literal["nothing to find", "outside the search", "not segmented", "removed by a rule", "below the threshold"]


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """Hold what became of one phase, on one grid: the truth, what the network said, and what was left after the rules.

    `rules` are the rules' names with what each left, in their order; the last one's is what was classified. `region` is
    where a coarse-to-fine search looked closely, None where it looked everywhere.
    """

    truth: Labels
    said: Labels
    rules: tuple[tuple[str, Labels], ...]
    region: NDArray[np.uint8] | None = None

    @property
    def left(self) -> Labels:
        """Give what was classified."""
        return self.rules[-1][1] if self.rules else self.said


@dataclass(frozen=True, slots=True)
class Miss:
    """Hold why a phase was not called abnormal: the kind, and the sentences that say it with numbers."""

    kind: Fate
    sentences: tuple[str, ...]


def why_missed(traced: Traced, *, needed: Sequence[str] = ()) -> Miss:
    """Say what became of the reference's tumor, or of its duct where it has no tumor, in a phase that was not called.

    `needed` are the classifier's own words on what was measured and what it would have taken.
    """
    structure = TUMOR if (traced.truth == TUMOR).any() else DUCT
    lesion, name = traced.truth == structure, CLASSES[structure]
    size = int(lesion.sum())
    if not size:
        return Miss("nothing to find", ("The reference label of this phase shows neither tumor nor duct.",))
    looked_at = size if traced.region is None else int((traced.region[lesion] > 0).sum())
    said = int((traced.said[lesion] == structure).sum())
    left = int((traced.left[lesion] == structure).sum())
    of = f"of the {name}'s {size} voxels"
    cut = f"Of these, the coarse search let {looked_at} through to a closer look." if looked_at < size else ""
    if looked_at == 0:
        words = f"Outside the search: none {of} lies where the coarse search let the network look closely."
        return Miss("outside the search", (words,))
    if said == 0:
        called = _called(traced.said[lesion])
        words = f"Not segmented: none {of} was labeled {name}; the network called them {called}."
        return Miss("not segmented", tuple(filter(None, (words, cut))))
    if left == 0:
        rule = _removing(traced, lesion, structure)
        words = f"Segmented and removed: {said} {of} {_were(said)} labeled {name}, and {rule} removed {_them(said)}."
        return Miss("removed by a rule", tuple(filter(None, (words, cut))))
    words = f"Below the threshold: {left} {of} {_were(left)} labeled {name}, which is not enough."
    lost = f"The rules removed {said - left} more of them ({_removing(traced, lesion, structure)})." * (said > left)
    return Miss("below the threshold", tuple(filter(None, (words, *needed, lost, cut))))


def why_alarmed(truth: Labels, left: Labels) -> str:
    """Say where the tumor and duct lie that a false alarm was made of; empty where there is neither."""
    alarm = left >= TUMOR
    total = int(alarm.sum())
    if not total:
        return ""
    inside = int((truth[alarm] > 0).sum())
    return (
        f"False alarm: {total} voxels were labeled tumor or duct, {inside} of them inside the reference's pancreas, "
        f"{total - inside} outside it."
    )


def shortfall(measured: Mapping[str, float], wanted: Mapping[str, float | None]) -> tuple[str, ...]:
    """Say of each measurement that has a threshold of the same name how much there is and how much is missing."""
    said = []
    for name, least in wanted.items():
        if least is None or name not in measured:
            continue
        structure, _, unit = name.partition("_")
        unit = {"voxels": "voxels", "mm3": "mm³"}.get(unit, unit)
        there = measured[name]
        lacking = f", {least - there:g} too few" if there < least else ""
        said.append(f"{structure.capitalize()}: {there:g} {unit} of {least:g} needed{lacking}.")
    return tuple(said)


def _called(labels: Labels) -> str:
    """Say what some voxels were called, the commonest first."""
    counts = np.bincount(labels, minlength=len(CLASSES))
    order = [value for value in np.argsort(-counts, kind="stable").tolist() if counts[value]]
    return " and ".join(f"{CLASSES[value]} ({100 * counts[value] / labels.size:.0f} %)" for value in order)


def _removing(traced: Traced, lesion: NDArray[np.bool_], structure: int) -> str:
    """Name the rules at which voxels of a lesion were lost."""
    before, found = int((traced.said[lesion] == structure).sum()), []
    for name, labels in traced.rules:
        after = int((labels[lesion] == structure).sum())
        if after < before:
            found.append(name)
        before = after
    return f"the rule{'s' * (len(found) > 1)} {' and '.join(found)}" if found else "the rules"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _them(count: int) -> str:
    return "it" if count == 1 else "them"
