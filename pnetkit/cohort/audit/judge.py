"""Judge what was seen of a cohort's scans: one remark for each thing that somebody has to look at."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pnetkit.cohort.audit.copies import families, shared_places
from pnetkit.cohort.audit.look import Drawn, Seen, is_half
from pnetkit.errors import counted
from pnetkit.imaging.landmarks import Landmarks
from pnetkit.label_sets import not_annotated
from pnetkit.types import Case

KINDS: Mapping[str, str] = {
    "copy": "Scans of one acquisition under several cases: across folds, training would see the test.",
    "copy within a patient": "Scans of one acquisition under one patient: no second look at that patient.",
    "phase": "The image contradicts the phase that the table gives.",
    "label off the image": "The label lies elsewhere than its image.",
    "empty label": "No tumor is drawn in an abnormal case, or nothing at all.",
    "tumor in a normal case": "A tumor is drawn in a case that is called normal.",
    "small tumor": "A tumor is smaller than a lesion that somebody drew on purpose.",
    "tumor off the pancreas": "A tumor lies off the pancreas, or none is drawn to lie in.",
    "tumor count": "The label has another number of tumors than the table (lesion_count).",
    "unreadable": "A file cannot be read, so nothing else is known of it.",
}
"""What an audit looks for, and what each means, in the order of what matters."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Say from when on something is worth a look: sizes of tumors below these, distances above this."""

    least_voxels: int = 50
    least_mm3: float = 0.0
    off_mm: float = 5.0


@dataclass(frozen=True, slots=True)
class Remark:
    """Hold what somebody has to look at: of which kind, in which scan, and a number with its unit where there is one.

    `others` are further cases that it is of.
    """

    kind: str
    case_id: str
    phase: str
    says: str
    value: float | None = None
    unit: str = ""
    others: tuple[str, ...] = ()


PhaseGate = Callable[[str, Landmarks], tuple[list[str], list[str]]]
"""Compares a phase with what an image shows of it: what contradicts it, and what leaves it open."""

SeenScans = Mapping[tuple[str, str], Seen]
"""What was seen, by case and phase."""


def judge(
    cases: Sequence[Case],
    seen: SeenScans,
    limits: Limits,
    phase_gate: PhaseGate,
    lesion_counts: Mapping[str, int],
    folds: Mapping[str, int],
) -> list[Remark]:
    """Give the remarks on a cohort, in the order of `KINDS`, then of cases; `folds` are those of the table, if any."""
    remarks = [
        remark
        for case in cases
        for phase in case.scans
        for remark in _of_scan(case, phase, seen[case.id, phase], limits, phase_gate, lesion_counts)
    ]
    remarks += _copies(cases, seen, folds)
    order = list(KINDS)
    return sorted(remarks, key=lambda remark: order.index(remark.kind))


def _of_scan(
    case: Case,
    phase: str,
    seen: Seen,
    limits: Limits,
    phase_gate: PhaseGate,
    lesion_counts: Mapping[str, int],
) -> Iterator[Remark]:
    for fault in seen.faults:
        yield Remark("unreadable", case.id, phase, fault)
    if seen.landmarks is not None:
        contradicted, _ = phase_gate(phase, seen.landmarks)
        for words in contradicted:
            yield Remark("phase", case.id, phase, words.removeprefix(f"{phase}: "))
    if seen.drawn is not None:
        yield from _of_label(case, phase, seen.drawn, limits)
        wanted, there = lesion_counts.get(case.id), len(seen.drawn.tumors)
        if wanted is not None and there and wanted != there:
            yield Remark("tumor count", case.id, phase, f"{there} drawn, {wanted} in the table", float(there))


def _of_label(case: Case, phase: str, drawn: Drawn, limits: Limits) -> Iterator[Remark]:
    if drawn.is_off:
        yield _off(case, phase, drawn.off_voxels)
    _, tumor, duct = drawn.voxels
    absent = not_annotated(case.labeled)
    looked_for = "tumor" not in absent
    if not any(drawn.voxels) and "pancreas" not in absent:
        yield Remark("empty label", case.id, phase, "nothing is drawn", 0.0, "voxels")
    elif case.abnormal and looked_for and not tumor and not duct:
        yield Remark("empty label", case.id, phase, "the case is abnormal, and no tumor is drawn", 0.0, "voxels")
    if case.abnormal is False and tumor:
        yield Remark("tumor in a normal case", case.id, phase, f"{tumor} voxels", float(tumor), "voxels")
    for piece in drawn.tumors:
        size = f"{counted(piece.voxels, 'voxel')}, {piece.volume_mm3:.3g} mm³"
        if piece.voxels < limits.least_voxels or piece.volume_mm3 < limits.least_mm3:
            yield Remark("small tumor", case.id, phase, size, float(piece.voxels), "voxels")
        if piece.distance_mm is None and "pancreas" not in absent:
            yield Remark("tumor off the pancreas", case.id, phase, f"no pancreas is drawn; {size}")
        elif piece.distance_mm is not None and piece.distance_mm > limits.off_mm:
            away = f"{piece.distance_mm:.1f} mm away; {size}"
            yield Remark("tumor off the pancreas", case.id, phase, away, piece.distance_mm, "mm")


def _off(case: Case, phase: str, off: tuple[float, float, float] | None) -> Remark:
    if off is None:
        return Remark("label off the image", case.id, phase, "it has another shape, spacing or direction")
    words = "half a voxel" if is_half(off) else "a shift"
    ways = " x ".join(f"{way:.2g}" for way in off)
    return Remark("label off the image", case.id, phase, f"{words}: {ways} voxels", max(map(abs, off)), "voxels")


def _copies(cases: Sequence[Case], seen: SeenScans, folds: Mapping[str, int]) -> Iterator[Remark]:
    """Give the groups of scans of one acquisition, each under the first of its cases."""
    scans = list(seen)
    patients = {case.id: case.patient for case in cases}
    pairs = shared_places([seen[scan].places for scan in scans])
    least = {scans[pair.one]: pair for pair in reversed(pairs)} | {scans[pair.other]: pair for pair in reversed(pairs)}
    for family in families(pairs, dict(enumerate(scans))):
        (first, phase), *_ = family
        share = min(least[scan].places / least[scan].of for scan in family)
        others = tuple(dict.fromkeys(case for case, _ in family if case != first))
        named = ", ".join(f"{case} ({of})" for case, of in family)
        of_folds = sorted({folds[case] for case, _ in family if case in folds})
        across = f"; in the folds {', '.join(map(str, of_folds))}" if len(of_folds) > 1 else ""
        kind = "copy" if len({patients[case] for case, _ in family}) > 1 else "copy within a patient"
        yield Remark(kind, first, phase, f"{named} share {share:.0%} of their noise{across}", share, "share", others)
