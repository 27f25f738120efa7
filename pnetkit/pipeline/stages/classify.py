"""Decide on one phase of one case."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pnetkit.cohort.check import CheckedCase
from pnetkit.files import write_json
from pnetkit.imaging.spacing import Spacing
from pnetkit.interfaces import CaseClassifier
from pnetkit.method.parts import RulesOn
from pnetkit.method.plugins import build
from pnetkit.method.rules import classified, evidence_of, finding_from_json, finding_to_json
from pnetkit.pipeline.stages import features, fit
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.draft import Draft
from pnetkit.pipeline.stages.scans import Scanned, scanned, spacing_identity
from pnetkit.pipeline.stages.segmentation import read_segmentation
from pnetkit.pipeline.stages.stage import Stage
from pnetkit.store.node import File, Node, Ref, Subject
from pnetkit.store.small_files import SmallFiles
from pnetkit.store.store import Store
from pnetkit.types import PhaseFinding

FINDING = "finding.json"
"""The finding of one phase."""


@dataclass(frozen=True, slots=True)
class ClassifySpec:
    """All of it is in the key. A classifier does not get to know the case's name."""

    stage: ClassVar[str] = "classify"
    version: ClassVar[int] = 1

    classifier: Mapping[str, Any]
    phase: str
    clean: Ref
    maps: Ref | None
    fitted: Ref | None
    scan: Scanned | None
    rules_on: RulesOn = "scan"

    @property
    def identity(self) -> dict[str, Any]:
        """Give the classifier and the phase, and whose voxels it sees where that is not the scan's."""
        where = {} if self.rules_on == "scan" else {"rules_on": self.rules_on}
        where |= spacing_identity(None if self.scan is None else self.scan.spacing_mm)
        return {"classifier": dict(self.classifier), "phase": self.phase} | where

    @property
    def inputs(self) -> dict[str, Ref]:
        """Give the cleaned segmentation, the maps and what was fitted, where the classifier needs them."""
        there = {"postprocess": self.clean, "features": self.maps, "fit": self.fitted}
        return {name: ref for name, ref in there.items() if ref is not None}

    @property
    def files(self) -> dict[str, File]:
        """Give the scans, where the classifier looks at them."""
        return {} if self.scan is None else self.scan.files


def draft(
    draft: Draft,
    item: CheckedCase,
    clean: Node,
    maps: Node | None,
    fitted: Node | None,
    spacing_mm: Spacing | None,
) -> Node:
    """Lay out the decision on a case that was segmented at a spacing."""
    name = draft.seen.name
    spec = ClassifySpec(
        classifier=draft.parts.classifier,
        phase=name,
        clean=clean.ref,
        maps=None if maps is None else maps.ref,
        fitted=None if fitted is None else fitted.ref,
        scan=scanned(draft, item, spacing_mm) if draft.parts.needs.images else None,
        rules_on=draft.parts.rules_on,
    )
    return draft.add(spec, Subject(name, item.case.id))


def run(spec: ClassifySpec, context: Context, folder: Path) -> dict[str, Any]:
    """Write score, threshold, measurements and flags."""
    store = context.store
    if spec.fitted is None:
        classifier: CaseClassifier = build(spec.classifier)
    else:
        classifier = fit.read(store, spec.fitted, spec.classifier)
    maps, grids = ({}, {}) if spec.maps is None else features.read(store, spec.maps)
    images = {} if spec.scan is None else spec.scan.read()
    clean = read_segmentation(store, spec.clean, spec.rules_on)
    evidence = evidence_of(spec.phase, clean, maps, feature_grids=grids, images=images)
    finding = classified(classifier, evidence, plugin=spec.classifier["plugin"])
    write_json(folder / FINDING, finding_to_json(finding))
    return {"abnormal": finding.abnormal}


def read(store: Store | SmallFiles, ref: Ref) -> PhaseFinding:
    """Read a finding."""
    return finding_from_json(store.json(ref, FINDING))


STAGE = Stage(ClassifySpec.stage, run, is_small=True)
