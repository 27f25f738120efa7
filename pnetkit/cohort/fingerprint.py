"""Describe a cohort in numbers: what a method's settings have to fit."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pnetkit.cohort.check import CheckedCase


@dataclass(frozen=True, slots=True)
class Range:
    """Hold the least, the middle and the largest of some numbers."""

    low: float
    median: float
    high: float

    def __str__(self) -> str:
        """Write the range, or the one value."""
        if self.low == self.high:
            return f"{self.median:.4g}"
        return f"{self.low:.4g} to {self.high:.4g} (median {self.median:.4g})"


@dataclass(frozen=True, slots=True)
class PhaseFingerprint:
    """Describe the scans of one phase; volumes are of the cases whose labels show the tissue."""

    scans: int
    labeled: int
    shape: tuple[Range, Range, Range]
    spacing_mm: tuple[Range, Range, Range]
    voxel_mm3: Range
    pancreas_hu: Range | None
    tumor_mm3: Range | None
    duct_mm3: Range | None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Describe a cohort: cases by diagnosis, patients, cases by site, scans by phase."""

    abnormal: int
    normal: int
    unknown: int
    patients: int
    sites: Mapping[str, int]
    phases: Mapping[str, PhaseFingerprint]

    @property
    def lines(self) -> list[str]:
        """Write the fingerprint for people."""
        said = [
            (
                f"{self.abnormal + self.normal + self.unknown} cases of {self.patients} patients: "
                f"{self.abnormal} abnormal, {self.normal} normal, {self.unknown} unknown"
            )
        ]
        if any(self.sites):
            said.append("sites: " + ", ".join(f"{site or 'not given'} {count}" for site, count in self.sites.items()))
        for name, phase in self.phases.items():
            said += [
                f"{name}: {phase.scans} scans, {phase.labeled} with labels",
                f"  shape {'; '.join(map(str, phase.shape))}",
                f"  spacing {'; '.join(map(str, phase.spacing_mm))} mm; voxel {phase.voxel_mm3} mm³",
            ]
            for what, unit, found in (
                ("pancreas", "HU (medians)", phase.pancreas_hu),
                ("tumor", "mm³", phase.tumor_mm3),
                ("duct", "mm³", phase.duct_mm3),
            ):
                if found is not None:
                    said.append(f"  {what} {found} {unit}")
        return said


def fingerprint(cases: Sequence[CheckedCase]) -> Fingerprint:
    """Describe checked cases; what could not be read is not in it."""
    diagnoses = [item.case.abnormal for item in cases]
    names = sorted({phase for item in cases for phase in item.scans})
    return Fingerprint(
        abnormal=diagnoses.count(True),
        normal=diagnoses.count(False),
        unknown=diagnoses.count(None),
        patients=len({item.case.patient for item in cases}),
        sites=dict(sorted(Counter(item.case.site for item in cases).items())),
        phases={name: _phase([item for item in cases if name in item.scans], name) for name in names},
    )


def _phase(cases: Sequence[CheckedCase], name: str) -> PhaseFingerprint:
    scans = [item.scans[name] for item in cases]
    seen = [(scan, scan.content) for scan in scans if scan.content is not None]
    return PhaseFingerprint(
        scans=len(scans),
        labeled=sum(scan.label_digest is not None for scan in scans),
        shape=_by_axis([scan.grid.shape for scan in scans]),
        spacing_mm=_by_axis([scan.grid.spacing_mm for scan in scans]),
        voxel_mm3=_range([scan.grid.voxel_mm3 for scan in scans]) or Range(0, 0, 0),
        pancreas_hu=_range([found.pancreas_hu for _, found in seen if found.pancreas_hu is not None]),
        tumor_mm3=_range([found.tumor_voxels * scan.grid.voxel_mm3 for scan, found in seen if found.tumor_voxels]),
        duct_mm3=_range([found.duct_voxels * scan.grid.voxel_mm3 for scan, found in seen if found.duct_voxels]),
    )


def _by_axis(triples: Sequence[tuple[float, float, float]]) -> tuple[Range, Range, Range]:
    x, y, z = (_range([triple[axis] for triple in triples]) or Range(0, 0, 0) for axis in range(3))
    return x, y, z


def _range(values: Sequence[float]) -> Range | None:
    if not values:
        return None
    return Range(float(min(values)), float(np.median(values)), float(max(values)))
