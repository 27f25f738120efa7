import numpy as np

from pnetkit.imaging.lost_lesions import lost_lesions
from pnetkit.imaging.spacing import grid_at, labels_on
from pnetkit.types import Grid


def test_a_lesion_smaller_than_half_a_voxel_of_the_spacing_is_counted_as_lost():
    labels = np.zeros((24, 24, 24), np.uint8)
    labels[2:22, 2:22, 2:22] = 1
    labels[4:10, 4:10, 4:10] = 2  # stays
    labels[16, 16, 16] = 2  # one voxel of 1 mm in one of 4 mm
    labels[12, 12, 4:8] = 3  # thin
    grid = Grid(labels.shape, np.eye(4))
    at = grid_at(grid, (4.0, 4.0, 4.0))
    found = labels_on(labels, grid, at)
    assert lost_lesions(labels, grid, found, at) == {"tumor": [2, 1], "duct": [1, 1]}
    assert lost_lesions(labels, grid, labels, grid) == {"tumor": [2, 0], "duct": [1, 0]}


def test_without_lesions_none_is_lost():
    grid = Grid((4, 4, 4), np.eye(4))
    nothing = np.zeros(grid.shape, np.uint8)
    assert lost_lesions(nothing, grid, nothing, grid) == {"tumor": [0, 0], "duct": [0, 0]}
