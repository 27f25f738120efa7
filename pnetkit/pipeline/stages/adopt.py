"""Take over a segmentation that was made elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pnetkit.cohort.check import CheckedCase
from pnetkit.imaging.nifti import write_labels
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.draft import Draft
from pnetkit.pipeline.stages.scans import read_reference
from pnetkit.pipeline.stages.segmentation import LABELS
from pnetkit.pipeline.stages.stage import Stage
from pnetkit.store.node import File, Node, Ref, Subject


@dataclass(frozen=True, slots=True)
class AdoptSpec:
    """All of it is in the key: the prediction, what its values mean, and the image whose grid it gets."""

    stage: ClassVar[str] = "adopt"
    version: ClassVar[int] = 1

    prediction: File
    labels: Mapping[str, Any]
    image: File

    @property
    def identity(self) -> dict[str, Any]:
        """Give what the prediction's values mean."""
        return {"labels": dict(self.labels)}

    @property
    def inputs(self) -> dict[str, Ref]:
        """Give nothing: it builds on files alone."""
        return {}

    @property
    def files(self) -> dict[str, File]:
        """Give the prediction and its image."""
        return {"prediction": self.prediction, "image": self.image}


def draft(draft: Draft, item: CheckedCase, prediction: File, labels: Mapping[str, Any]) -> Node:
    """Lay out the taking over of a case's prediction."""
    first = draft.seen.phases[0]
    image = File(item.case.scans[first].image, item.scans[first].image_digest)
    return draft.add(AdoptSpec(prediction, labels, image), Subject(draft.seen.name, item.case.id))


def run(spec: AdoptSpec, _context: Context, folder: Path) -> dict[str, Any]:
    """Write the labels of a prediction, translated to 0-3, on the image's own grid."""
    write_labels(folder / LABELS, read_reference(spec.prediction, spec.labels), like=spec.image.path)
    return {}


STAGE = Stage(AdoptSpec.stage, run, is_small=True)
