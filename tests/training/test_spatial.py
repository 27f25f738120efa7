"""Turning, scaling and mirroring: by the stated amounts, in millimeters, and with labels where the image goes."""

import numpy as np
import pytest
from scipy import ndimage

from pnetkit.imaging.boxes import Box, cut
from pnetkit.training.spatial import (
    MOST_DEGREES,
    MOST_READ,
    MOST_UNEVEN,
    STEP,
    Move,
    axes_to_turn,
    box_to_read,
    draw_move,
    moved,
    rotation,
)

BOX = Box((10, 11, 12), (18, 20, 22))


def smooth_volume(shape=(30, 32, 34)):
    return ndimage.gaussian_filter(np.random.default_rng(0).normal(size=shape), 2).astype(np.float32)


def moved_patch(volume, labels, move, box=BOX):
    read = box_to_read(box, move)
    return moved(cut(volume, read, fill=-9.0)[None], cut(labels, read, fill=0), box, read, move)


def test_a_patch_is_read_as_an_affine_transformation_of_the_volume_reads_it():
    """The oracle is scipy's, over the whole volume: what is read for a patch holds all that it needs."""
    volume, labels = smooth_volume(), np.random.default_rng(1).integers(0, 4, (30, 32, 34), dtype=np.uint8)
    matrix = 1.2 * rotation(list(np.radians([20, -10, 25])))
    image, of_labels = moved_patch(volume, labels, Move(matrix, ()))
    middle, half = (np.array(BOX.start) + np.array(BOX.stop) - 1) / 2, (np.array(BOX.shape) - 1) / 2
    how = {"matrix": matrix, "offset": middle - matrix @ half, "output_shape": BOX.shape}
    assert np.allclose(image[0], ndimage.affine_transform(volume, order=1, **how), atol=1e-4)
    assert (of_labels == ndimage.affine_transform(labels, order=0, **how)).mean() > 0.999  # halves may round otherwise


def test_a_patch_that_is_not_moved_is_the_patch_to_the_bit_and_mirroring_mirrors_both():
    volume, labels = smooth_volume(), np.random.default_rng(1).integers(0, 4, (30, 32, 34), dtype=np.uint8)
    plain, mirrored = moved_patch(volume, labels, Move(None, ())), moved_patch(volume, labels, Move(None, (0, 2)))
    assert np.array_equal(plain[0][0], volume[BOX.slices])
    assert np.array_equal(mirrored[0][0], volume[BOX.slices][::-1, :, ::-1])
    assert np.array_equal(mirrored[1], labels[BOX.slices][::-1, :, ::-1])


def test_a_quarter_turn_about_z_leads_x_to_y():
    volume, labels = smooth_volume(), np.zeros((30, 32, 34), np.uint8)
    cube = Box((10, 10, 10), (17, 17, 17))
    image, _ = moved_patch(volume, labels, Move(rotation([0, 0, np.pi / 2]), ()), cube)
    assert np.allclose(image[0], np.rot90(volume[cube.slices], axes=(1, 0)), atol=1e-5)


def test_a_turn_is_one_of_the_patient_whatever_the_voxels_edges():
    """A ball in millimeters stays one where it is turned by any angles; in voxels it would become an egg."""
    spacing, angles = np.array([1.0, 1.0, 2.5]), list(np.radians([30, 20, 10]))
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip((41, 41, 17), spacing, strict=True)]
    ball = (sum(np.square(axis) for axis in np.ix_(*axes)) < 14**2).astype(np.uint8)
    turn, box = rotation(angles), Box((0, 0, 0), ball.shape)
    in_mm = Move(turn * spacing[None, :] / spacing[:, None], ())
    agree = [
        (moved_patch(ball.astype(np.float32), ball, move, box)[1] == ball).mean() for move in (in_mm, Move(turn, ()))
    ]
    assert agree[0] > 0.98
    assert agree[1] < 0.95


def test_coarse_slices_are_turned_within_themselves_alone():
    assert axes_to_turn((0.7, 0.7, 2.0), "all-planes") == (0, 1, 2)
    assert axes_to_turn((0.7, 0.7, 2.5), "all-planes") == (2,)
    assert axes_to_turn((3.0, 0.7, 0.7), "axial") == ()
    assert axes_to_turn((1.0, 1.0, 1.0), "axial") == (2,)
    for seed in range(60):
        move = draw_move(np.random.default_rng(seed), (1.0, 1.0, 4.0), rotations="all-planes", flips=False)
        assert move.matrix is None or not (move.matrix[2, :2].any() or move.matrix[:2, 2].any())


def test_moves_keep_to_what_is_stated_and_no_more_is_read():
    many = [draw_move(np.random.default_rng(n), (1, 1, 3), rotations="all-planes", flips=True) for n in range(3000)]
    still = [move for move in many if move.matrix is None]
    assert len(still) / 3000 == pytest.approx(0.8 * 0.8, abs=0.03)
    assert sum(0 in move.mirrored for move in many) / 3000 == pytest.approx(0.5, abs=0.03)
    steps = [np.cbrt(np.linalg.det(move.matrix)) for move in many if move.matrix is not None]
    assert STEP[0] <= min(steps) and max(steps) <= STEP[1]  # noqa: PT018
    read = [np.prod(box_to_read(Box((0, 0, 0), (64, 64, 64)), move).shape) / 64**3 for move in many]
    assert 3 < max(read) < MOST_READ
    none = [draw_move(np.random.default_rng(n), (1, 1, 1), rotations="none", flips=False) for n in range(100)]
    assert all(move.matrix is None or np.allclose(move.matrix, np.eye(3) * move.matrix[0, 0]) for move in none)


def test_the_most_that_may_be_read_is_counted_with():
    """The worst of all angles, at the largest step and the most uneven voxels that are turned out of their slices."""
    edges = np.array([1.0, 1.0, MOST_UNEVEN])
    angles = np.radians(np.stack(np.meshgrid(*[np.linspace(-MOST_DEGREES, MOST_DEGREES, 9)] * 3)).reshape(3, -1).T)
    cube = Box((0, 0, 0), (32, 32, 32))
    for unequal in (edges, 1 / edges):
        matrices = [STEP[1] * rotation(list(of)) * unequal[None, :] / unequal[:, None] for of in angles]
        assert max(np.prod(box_to_read(cube, Move(m, ())).shape) for m in matrices) / 32**3 < MOST_READ
