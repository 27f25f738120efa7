"""Augmentation: symmetries of the cube, the same for image and labels."""

import numpy as np
import pytest

from pnetkit.training.augmentation import augment
from pnetkit.training.sampling import Batch


def batch_of(shape, copies):
    volume = np.arange(np.prod(shape)).reshape(shape)
    x = np.broadcast_to(volume.astype(np.float32), (copies, 1, *shape)).copy()
    y = np.broadcast_to((volume % 251).astype(np.uint8), (copies, *shape)).copy()
    return Batch(x, y, ("P",) * copies)


def test_image_and_labels_are_turned_alike_and_nothing_is_lost():
    before = batch_of((5, 5, 5), 40)
    after = augment(before, rotations="all-planes", flips=True, rng=np.random.default_rng(0))
    assert np.array_equal(after.x[:, 0].astype(int) % 251, after.y)
    assert np.array_equal(np.sort(after.x.reshape(40, -1)), np.sort(before.x.reshape(40, -1)))


@pytest.mark.parametrize(
    ("rotations", "flips", "symmetries"),
    [("all-planes", True, 32), ("axial", True, 16), ("none", True, 8), ("axial", False, 4), ("none", False, 1)],
)
def test_the_number_of_symmetries_is_the_one_stated(rotations, flips, symmetries):
    after = augment(batch_of((3, 3, 3), 1500), rotations=rotations, flips=flips, rng=np.random.default_rng(0))
    assert len({volume.tobytes() for volume in after.y}) == symmetries


def test_a_patch_with_unequal_edges_keeps_its_shape():
    after = augment(batch_of((3, 4, 5), 50), rotations="all-planes", flips=True, rng=np.random.default_rng(0))
    assert after.x.shape == (50, 1, 3, 4, 5)
    assert len({volume.tobytes() for volume in after.y}) == 8  # half turns are pairs of flips
