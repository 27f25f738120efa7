"""What a record says of a case, and where a report points at."""

import numpy as np

from pnetkit.dicom.place import Place
from pnetkit.screening.finding import places_of
from pnetkit.types import Grid, Segmentation
from tests.screening.made_up import AFFINE, SHAPE, labels_of


def test_a_report_points_at_the_centers_of_tumor_and_duct_the_largest_piece_first():
    """The tumor is at indices 20 to 23, 16 to 19, 8 to 10: its center is 2 * 21.5 - 40, 2 * 17.5 - 30, 3 * 9 + 100."""
    labels = labels_of()
    labels[12, 20, 6] = 2  # a piece of one voxel
    places = places_of(Segmentation(labels, Grid(SHAPE, AFFINE)))
    assert places == [
        Place(2, 1, 2, (3.0, 5.0, 127.0), 48 * 12.0),
        Place(2, 2, 2, (-16.0, 10.0, 118.0), 12.0),
        Place(3, 1, 1, (-12.0, 0.0, 124.0), 60.0),
    ]


def test_where_nothing_is_found_a_report_points_at_nothing():
    assert places_of(Segmentation(np.zeros(SHAPE, np.uint8), Grid(SHAPE, AFFINE))) == []
