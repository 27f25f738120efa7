"""The label map in the results of `segment`, `adopt` and `postprocess`."""

from pnetkit.imaging.nifti import read_labels
from pnetkit.store.node import Ref
from pnetkit.store.store import Store
from pnetkit.types import Segmentation

LABELS = "labels.nii.gz"
"""The file, on the image's own grid."""


def read_segmentation(store: Store, ref: Ref) -> Segmentation:
    """Read the label map of a result."""
    labels, grid = read_labels(store.of(ref) / LABELS)
    return Segmentation(labels, grid)
