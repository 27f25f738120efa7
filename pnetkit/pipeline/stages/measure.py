"""Measure a segmentation against the reference label."""

from pathlib import Path
from typing import Any

from pnetkit.evaluation.overlap import dice
from pnetkit.imaging.nifti import read_labels
from pnetkit.pipeline.context import Context
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.stages.inputs import reference_labels
from pnetkit.pipeline.stages.segment import LABELS
from pnetkit.pipeline.store import write_json
from pnetkit.types import BACKGROUND, DUCT, TUMOR

MEASURES = "dice.json"
"""The overlaps in the result of `measure`."""


def measure(node: Node, context: Context, folder: Path) -> dict[str, Any]:
    """Write the Dice of the pancreas set (labels 1-3), of tumor and of duct; null where both are empty."""
    predicted, _ = read_labels(context.store.folder("postprocess", node.inputs["postprocess"]) / LABELS)
    reference = reference_labels(node)
    overlaps = {
        "pancreas": dice(predicted > BACKGROUND, reference > BACKGROUND),
        "tumor": dice(predicted == TUMOR, reference == TUMOR),
        "duct": dice(predicted == DUCT, reference == DUCT),
    }
    write_json(folder / MEASURES, overlaps)
    return {}
