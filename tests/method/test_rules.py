"""What a classifier gets to know of a case."""

import numpy as np

from pnetkit.method.rules import evidence_of
from pnetkit.types import Grid, Segmentation


def segmentation(label=1):
    return Segmentation(np.full((2, 3, 4), label, np.uint8), Grid((2, 3, 4), np.eye(4)))


def test_evidence_is_named_by_its_labels_and_by_nothing_else():
    one, same, other = (evidence_of(phase, segmentation(of), {}) for phase, of in (("a", 1), ("b", 1), ("a", 2)))
    assert one.case_id == same.case_id != other.case_id
    assert one.case_id.startswith("labels-")
    turned = Segmentation(np.asfortranarray(one.segmentation.labels), one.segmentation.grid)
    assert evidence_of("a", turned, {}).case_id == one.case_id
