"""Measure a segmentation against the reference label."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pnetkit.evaluation.lesions import Lesion, LesionMatch, match_lesions
from pnetkit.evaluation.overlap import dice
from pnetkit.imaging.nifti import read_labels
from pnetkit.pipeline.context import Context
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.stages.inputs import reference_labels
from pnetkit.pipeline.stages.segment import LABELS, REGION
from pnetkit.pipeline.store import write_json
from pnetkit.types import BACKGROUND, DUCT, TUMOR

CRITERIA = {"any": 0.0, "iou": 0.1}
"""When a lesion counts as found: any common voxel, or picai_eval's least IoU."""

LESIONS = "lesions.json"
"""The reference tumors, and the predicted ones that match none, in the result of `measure`; by criterion."""

MEASURES = "dice.json"
"""The overlaps in the result of `measure`."""


def measure(node: Node, context: Context, folder: Path) -> dict[str, Any]:
    """Write the Dice of the pancreas set (labels 1-3), tumor and duct (null where both are empty), and lesions.

    Of a coarse-to-fine search the share of the reference's pancreas set that its region holds is told, `region_recall`.
    """
    predicted, grid = read_labels(context.store.folder("postprocess", node.inputs["postprocess"]) / LABELS)
    reference = reference_labels(node)
    overlaps = {
        "pancreas": dice(predicted > BACKGROUND, reference > BACKGROUND),
        "tumor": dice(predicted == TUMOR, reference == TUMOR),
        "duct": dice(predicted == DUCT, reference == DUCT),
    }
    write_json(folder / MEASURES, overlaps)
    found = {
        name: match_lesions(predicted == TUMOR, reference == TUMOR, least_iou=iou, voxel_mm3=grid.voxel_mm3)
        for name, iou in CRITERIA.items()
    }
    write_json(folder / LESIONS, {name: asdict(match) for name, match in found.items()})
    if "segment" not in node.inputs:
        return {}
    region = context.store.folder("segment", node.inputs["segment"]) / REGION
    organ = reference > BACKGROUND
    if not region.is_file() or not organ.any():  # everything was searched, or there is nothing to find
        return {"region_recall": None}
    return {"region_recall": float(read_labels(region)[0][organ].mean())}


def lesions_from_json(loaded: Mapping[str, Any]) -> LesionMatch:
    """Read back what `measure` wrote for one criterion."""
    return LesionMatch(tuple(Lesion(**item) for item in loaded["lesions"]), tuple(loaded["false_positives"]))
