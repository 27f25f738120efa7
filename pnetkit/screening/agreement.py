"""Say how far other inference settings agree with the plain search, on a user's own scans and with a user's own model.

The plain search is the recipe's windows at the recipe's stride over the whole body, in fp32, run by torch. Both segment
the same scans one after the other in one process; labels are compared after the model's cleaning rules, because these
are what a decision is made of.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from pnetkit.cohort.check import LabelPolicy, check_case
from pnetkit.cohort.table import read_cohort
from pnetkit.errors import CohortError, counted
from pnetkit.evaluation.overlap import dice
from pnetkit.imaging.nifti import read_labels, read_scan
from pnetkit.label_sets import IGNORED, in_file, not_annotated
from pnetkit.screening.screener import CaseResult, InputResult, Screener, screen_scans, warm_up
from pnetkit.types import BACKGROUND, DUCT, TUMOR, Case, CaseFinding

PLAIN = (
    "inference.precision=fp32",
    "inference.runtime=torch",
    "inference.search=exhaustive",
    "inference.body=mask",
)
"""What makes a recipe's search the plain one."""

PARTS: Mapping[str, Callable[[NDArray[np.uint8]], NDArray[np.bool_]]] = {
    "pancreas": lambda labels: labels > BACKGROUND,
    "tumor": lambda labels: labels == TUMOR,
    "duct": lambda labels: labels == DUCT,
}
"""What is compared: the pancreas set (labels 1 to 3), tumor, duct."""

Overlaps = Mapping[str, float | None]
"""Dice by part; None where both are without it."""


@dataclass(frozen=True, slots=True)
class InputAgreement:
    """Hold what both searches said of one input of one case: first the plain one, then the one asked about.

    `overlap` is the Dice of one with the other. `references` are the Dice of each with the reference labels, and
    `recall` the share of the reference's pancreas set that lies in the region of a coarse-to-fine search; None without
    a reference, `recall` also without a region.
    """

    name: str
    windows: tuple[int, int]
    overlap: Overlaps
    references: tuple[Overlaps, Overlaps] | None
    recall: float | None
    fallback: str


@dataclass(frozen=True, slots=True)
class CaseAgreement:
    """Hold what both searches decided on one case, and the seconds that each took without reading files."""

    case_id: str
    findings: tuple[CaseFinding, CaseFinding]
    seconds: tuple[float, float]
    inputs: tuple[InputAgreement, ...]

    @property
    def same_decision(self) -> bool:
        """Tell whether both call the case the same."""
        plain, asked = self.findings
        return plain.abnormal == asked.abnormal


def checked_cases(screener: Screener, table: Path, *, most: int | None = None) -> list[Case]:
    """Read a table and check every file of its cases, or of its first ones, by the model's rule for label values.

    Raises:
        CohortError: naming every fault of the table, or of all the files.
    """
    cohort, faults = read_cohort(table, screener.model.content["phases"])
    if faults:
        raise CohortError(f"{table}: {counted(len(faults), 'fault')} in the table:", faults)
    policy = _label_policy(screener)
    checked = [check_case(case, policy) for case in cohort.cases[:most]]
    faults = [fault for item in checked for fault in item.faults]
    if faults:
        raise CohortError(f"{table}: {counted(len(faults), 'fault')}:", faults)
    return [item.case for item in checked]


def agreements(plain: Screener, asked: Screener, cases: Sequence[Case]) -> Iterator[CaseAgreement]:
    """Yield the agreement of each case, whose files were checked before.

    Raises as `read_scan`, `read_labels` and `screen_scans` do.
    """
    for screener in (plain, asked):
        warm_up(screener)
    for case in cases:
        scans = {phase: read_scan(files.image) for phase, files in case.scans.items()}
        results: list[CaseResult] = []
        seconds: list[float] = []
        for screener in (plain, asked):
            started = time.perf_counter()
            results.append(screen_scans(screener, case.id, scans))
            seconds.append(time.perf_counter() - started)
        inputs = []
        for seen in plain.parts.inputs:
            if seen.name in results[0].inputs:
                label = case.scans[seen.phases[0]].label
                reference = None if label is None else _reference(plain, label)
                found = [result.inputs[seen.name] for result in results]
                inputs.append(_compared(seen.name, found[0], found[1], reference, case.labeled))
        yield CaseAgreement(case.id, (results[0].finding, results[1].finding), (seconds[0], seconds[1]), tuple(inputs))


def mean_overlap(found: Sequence[InputAgreement], part: str) -> float | None:
    """Give the mean Dice of both searches over the scans in which either saw the part; None where neither did."""
    values = [value for item in found if (value := item.overlap[part]) is not None]
    return fmean(values) if values else None


def mean_change(found: Sequence[InputAgreement], part: str) -> float | None:
    """Give the mean change of the Dice with the reference, over scans that have the part; None without any."""
    changes = []
    for item in found:
        if item.references is not None:
            plain, asked = (overlaps[part] for overlaps in item.references)
            if plain is not None and asked is not None:
                changes.append(asked - plain)
    return fmean(changes) if changes else None


def _compared(
    name: str,
    plain: InputResult,
    asked: InputResult,
    reference: NDArray[np.uint8] | None,
    annotated: tuple[str, ...] | None,
) -> InputAgreement:
    one, other = plain.segmentation.labels, asked.segmentation.labels
    recall, absent = None, not_annotated(annotated)
    if reference is not None and (reference == IGNORED).any():
        ignored, reference = reference == IGNORED, in_file(reference)
        one, other = (np.where(ignored, np.uint8(BACKGROUND), labels) for labels in (one, other))
    if reference is not None and asked.region is not None and (reference > BACKGROUND).any():
        recall = float(asked.region[reference > BACKGROUND].mean())
    return InputAgreement(
        name,
        (plain.windows, asked.windows),
        _overlaps(other, one),
        None if reference is None else (_overlaps(one, reference, absent), _overlaps(other, reference, absent)),
        recall,
        asked.fallback,
    )


def _overlaps(labels: NDArray[np.uint8], others: NDArray[np.uint8], absent: Sequence[str] = ()) -> Overlaps:
    """Give the Dice of each part; none of those that one has no label of."""
    return {part: None if part in absent else dice(of(labels), of(others)) for part, of in PARTS.items()}


def _reference(screener: Screener, label: Path) -> NDArray[np.uint8]:
    policy = _label_policy(screener)
    return read_labels(label, policy.mapping, unmapped=policy.unmapped)[0]


def _label_policy(screener: Screener) -> LabelPolicy:
    rule = screener.parts.labels
    mapping = None if rule["mapping"] is None else {int(value): label for value, label in rule["mapping"].items()}
    return LabelPolicy(mapping, rule["unmapped"])
