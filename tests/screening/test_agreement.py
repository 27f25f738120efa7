"""What two searches are measured by, where the reference does not say all."""

import numpy as np

from pnetkit.label_sets import IGNORED
from pnetkit.screening.agreement import _compared
from pnetkit.screening.screener import InputResult
from pnetkit.types import Grid, PhaseFinding, Segmentation

GRID = Grid((4, 1, 1), np.eye(4))


def said(*labels):
    segmentation = Segmentation(np.array(labels, dtype=np.uint8).reshape(4, 1, 1), GRID)
    return InputResult(segmentation, PhaseFinding("venous", 1.0, 1.0), None, 1, "")


def test_a_reference_counts_where_it_says_something_and_for_what_it_is_of():
    reference = np.array([1, 1, IGNORED, 0], dtype=np.uint8).reshape(4, 1, 1)
    found = _compared("venous", said(1, 1, 2, 0), said(1, 0, 2, 0), reference, ("pancreas",))
    one, other = found.references
    assert (one["pancreas"], other["pancreas"]) == (1.0, 2 / 3)
    assert (one["tumor"], one["duct"]) == (None, None)
