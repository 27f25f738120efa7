"""Measure a segmentation against the reference label."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from pnetkit.cohort.check import CheckedCase
from pnetkit.evaluation.lesions import Lesion, LesionMatch, match_lesions
from pnetkit.evaluation.overlap import dice
from pnetkit.evaluation.surfaces import SurfaceAgreement, surface_agreement
from pnetkit.files import write_json
from pnetkit.pipeline.stages import segment
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.draft import Draft
from pnetkit.pipeline.stages.scans import label_of, read_reference
from pnetkit.pipeline.stages.segmentation import read_segmentation
from pnetkit.pipeline.stages.stage import Stage
from pnetkit.store.node import File, Node, Ref, Subject
from pnetkit.store.small_files import SmallFiles
from pnetkit.store.store import Store
from pnetkit.types import BACKGROUND, DUCT, TUMOR

CRITERIA = {"any": 0.0, "iou": 0.1}
"""When a lesion counts as found: any common voxel, or picai_eval's least IoU."""

LESIONS = "lesions.json"
"""The reference tumors, and the predicted ones that match none; by criterion."""

MEASURES = "dice.json"
"""The overlaps."""

SURFACES = "surfaces.json"
"""How the surfaces agree; a distance of null where there is an NSD is infinite, as JSON has no word for it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Hold the Dice of pancreas set, tumor and duct (None where both are empty), lesions by criterion, and surfaces."""

    dice: Mapping[str, float | None]
    lesions: Mapping[str, LesionMatch]
    surfaces: Mapping[str, SurfaceAgreement]


@dataclass(frozen=True, slots=True)
class MeasureSpec:
    """All of it is in the key. `searched` is a coarse-to-fine segmentation whose region is measured too."""

    stage: ClassVar[str] = "measure"
    version: ClassVar[int] = 3

    label: File
    labels: Mapping[str, Any]
    clean: Ref
    searched: Ref | None

    @property
    def identity(self) -> dict[str, Any]:
        """Give what label values mean."""
        return {"labels": dict(self.labels)}

    @property
    def inputs(self) -> dict[str, Ref]:
        """Give the cleaned segmentation, and the search whose region is measured."""
        return {"postprocess": self.clean} | ({} if self.searched is None else {"segment": self.searched})

    @property
    def files(self) -> dict[str, File]:
        """Give the reference label."""
        return {"label": self.label}


def draft(draft: Draft, item: CheckedCase, segmentation: Node, clean: Node) -> Node | None:
    """Lay out the measurement of a case; None where it has no reference label."""
    label = label_of(draft.seen, item)
    if label is None:
        return None
    is_coarse = isinstance(segmentation.spec, segment.SegmentSpec) and segmentation.spec.is_coarse
    spec = MeasureSpec(label, draft.labels, clean.ref, segmentation.ref if is_coarse else None)
    return draft.add(spec, Subject(draft.seen.name, item.case.id))


def run(spec: MeasureSpec, context: Context, folder: Path) -> dict[str, Any]:
    """Write Dice and surfaces of the pancreas set (labels 1-3), tumor, duct (null where both are empty), and lesions.

    Of a coarse-to-fine search the share of the reference's pancreas set that its region holds is told, `region_recall`.
    """
    found = read_segmentation(context.store, spec.clean)
    predicted, reference = found.labels, read_reference(spec.label, spec.labels)
    overlaps, surfaces = {}, {}
    for name, (one, two) in {
        "pancreas": (predicted > BACKGROUND, reference > BACKGROUND),
        "tumor": (predicted == TUMOR, reference == TUMOR),
        "duct": (predicted == DUCT, reference == DUCT),
    }.items():
        overlaps[name] = dice(one, two)
        surfaces[name] = surface_agreement(one, two, found.grid.spacing_mm)
    write_json(folder / MEASURES, overlaps)
    write_json(folder / SURFACES, {name: surface_to_json(of) for name, of in surfaces.items()})
    matches = {
        name: match_lesions(predicted == TUMOR, reference == TUMOR, least_iou=iou, voxel_mm3=found.grid.voxel_mm3)
        for name, iou in CRITERIA.items()
    }
    write_json(folder / LESIONS, {name: asdict(match) for name, match in matches.items()})
    if spec.searched is None:
        return {}
    region, organ = segment.read_region(context.store, spec.searched), reference > BACKGROUND
    if region is None or not organ.any():  # everything was searched, or there is nothing to find
        return {"region_recall": None}
    return {"region_recall": float(region[organ].mean())}


def read(store: Store | SmallFiles, ref: Ref) -> Measured:
    """Read what was measured."""
    lesions = {name: _match(of) for name, of in store.json(ref, LESIONS).items()}
    surfaces = {name: surface_from_json(of) for name, of in store.json(ref, SURFACES).items()}
    return Measured(store.json(ref, MEASURES), lesions, surfaces)


def _match(loaded: Mapping[str, Any]) -> LesionMatch:
    lesions = tuple(Lesion(**item) for item in loaded["lesions"])
    return LesionMatch(lesions, tuple(loaded["false_positives"]), loaded["voxel_mm3"])


def surface_to_json(of: SurfaceAgreement) -> dict[str, float | None]:
    """Give plain JSON, an infinite distance as null."""
    bounded = of.hd95_mm is not None and math.isfinite(of.hd95_mm)
    return {"nsd": of.nsd, "hd95_mm": of.hd95_mm if bounded else None}


def surface_from_json(loaded: Mapping[str, Any]) -> SurfaceAgreement:
    """Read what `surface_to_json` gave."""
    nsd, hd95_mm = loaded["nsd"], loaded["hd95_mm"]
    return SurfaceAgreement(nsd, math.inf if hd95_mm is None and nsd is not None else hd95_mm)


STAGE = Stage(MeasureSpec.stage, run, is_small=True)
