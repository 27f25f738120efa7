"""Take over a segmentation that was made elsewhere."""

from pathlib import Path
from typing import Any

from pnetkit.imaging.nifti import read_labels, write_labels
from pnetkit.pipeline.context import Context
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.stages.segment import LABELS


def adopt(node: Node, _context: Context, folder: Path) -> dict[str, Any]:
    """Write the labels of a prediction, translated to 0-3, on the image's own grid."""
    policy, path = node.identity["labels"], node.files["prediction"][0]
    mapping = None if policy["mapping"] is None else {int(k): v for k, v in policy["mapping"].items()}
    labels, _ = read_labels(path, mapping, unmapped=policy["unmapped"])
    write_labels(folder / LABELS, labels, like=node.files["image"][0])
    return {}
