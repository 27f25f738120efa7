"""Measure a segmentation against the reference label."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pnetkit.cohort.check import CheckedCase
from pnetkit.evaluation.lesions import Lesion, LesionMatch, match_lesions
from pnetkit.evaluation.overlap import dice
from pnetkit.evaluation.surfaces import SurfaceAgreement, surface_agreement
from pnetkit.files import write_json
from pnetkit.label_sets import IGNORED, in_file, not_annotated
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

MEASURED: Mapping[str, Callable[[NDArray[np.uint8]], NDArray[np.bool_]]] = {
    "pancreas": lambda labels: labels > BACKGROUND,
    "tumor": lambda labels: labels == TUMOR,
    "duct": lambda labels: labels == DUCT,
}
"""Whose overlap is measured: the pancreas set (labels 1-3), tumor, duct."""

LESIONS = "lesions.json"
"""The reference tumors, and the predicted ones that match none; by criterion."""

MEASURES = "dice.json"
"""The overlaps."""

SURFACES = "surfaces.json"
"""How the surfaces agree; a distance of null where there is an NSD is infinite, as JSON has no word for it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Hold the Dice of pancreas set, tumor and duct (None where both are empty), lesions by criterion, and surfaces.

    What the reference has no label of is in none of them.
    """

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
    annotated: tuple[str, ...] | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """Give what label values mean, and which classes are annotated where these are not all."""
        said = {} if self.annotated is None else {"annotated": list(self.annotated)}
        return {"labels": dict(self.labels)} | said

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
    searched = segmentation.ref if is_coarse else None
    spec = MeasureSpec(label, draft.labels, clean.ref, searched, item.case.labeled)
    return draft.add(spec, Subject(draft.seen.name, item.case.id))


def run(spec: MeasureSpec, context: Context, folder: Path) -> dict[str, Any]:
    """Write Dice and surfaces of the pancreas set (labels 1-3), tumor, duct (null where both are empty), and lesions.

    Voxels that are to be ignored are neither found nor true; how many there were is told, `ignored_voxels`. Of a class
    that is not annotated nothing is measured. Of a coarse-to-fine search the share of the reference's pancreas set that
    its region holds is told, `region_recall`.
    """
    found = read_segmentation(context.store, spec.clean)
    predicted, reference = found.labels, read_reference(spec.label, spec.labels)
    ignored = int((reference == IGNORED).sum())
    if ignored:
        predicted, reference = np.where(reference == IGNORED, BACKGROUND, predicted), in_file(reference)
    absent = not_annotated(spec.annotated)
    overlaps, surfaces = {}, {}
    for name, of in MEASURED.items():
        if name not in absent:
            one, two = of(predicted), of(reference)
            overlaps[name] = dice(one, two)
            surfaces[name] = surface_agreement(one, two, found.grid.spacing_mm)
    write_json(folder / MEASURES, overlaps)
    write_json(folder / SURFACES, {name: surface_to_json(of) for name, of in surfaces.items()})
    matches = {
        name: match_lesions(predicted == TUMOR, reference == TUMOR, least_iou=iou, voxel_mm3=found.grid.voxel_mm3)
        for name, iou in CRITERIA.items()
        if "tumor" not in absent
    }
    write_json(folder / LESIONS, {name: asdict(match) for name, match in matches.items()})
    said = {"ignored_voxels": ignored} if ignored else {}
    if spec.searched is None:
        return said
    region, organ = segment.read_region(context.store, spec.searched), reference > BACKGROUND
    if region is None or not organ.any():  # everything was searched, or there is nothing to find
        return {"region_recall": None} | said
    return {"region_recall": float(region[organ].mean())} | said


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
