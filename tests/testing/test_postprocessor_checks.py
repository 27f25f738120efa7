"""Each check of a postprocessor catches a plugin that is broken in just that way, and a sound one passes all."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from pnetkit.testing import postprocessor_checks
from pnetkit.testing.samples import finer, samples
from pnetkit.types import Grid, Segmentation
from tests.testing.outcomes import failing

CALLS = count()


class Keep:
    """Leaves everything."""

    def __call__(self, segmentation):
        return segmentation


class NotCallable:
    pass


class CropsIt(Keep):
    def __call__(self, segmentation):
        return segmentation.labels


class LosesThePlace(Keep):
    """Keeps the size of the voxels, and forgets where they lie."""

    def __call__(self, segmentation):
        spacing = segmentation.grid.spacing_mm
        return replace(segmentation, grid=Grid(segmentation.labels.shape, np.diag([*spacing, 1.0])))


class LosesTheOrigin(Keep):
    def __call__(self, segmentation):
        affine = segmentation.grid.affine.copy()
        affine[:3, 3] = 0
        return replace(segmentation, grid=Grid(segmentation.labels.shape, affine))


class CropsVotes(Keep):
    def __call__(self, segmentation):
        votes = None if segmentation.votes is None else segmentation.votes[:-1]
        return replace(segmentation, votes=votes)


class Overwrites(Keep):
    def __call__(self, segmentation):
        segmentation.labels[segmentation.labels == 2] = 0
        return segmentation


class OverwritesVotes(Keep):
    def __call__(self, segmentation):
        if segmentation.votes is not None:
            segmentation.votes[segmentation.labels == 0] = 0
        return segmentation


class OverwritesVoters(Keep):
    def __call__(self, segmentation):
        if segmentation.voters is not None:
            segmentation.voters[:] = 1
        return segmentation


class Forgets(Keep):
    def __call__(self, segmentation):
        labels = segmentation.labels.copy()
        labels.flat[next(CALLS) % labels.size] = 1
        return replace(segmentation, labels=labels)


class AtLeastSomeVoxels(Keep):
    def __call__(self, segmentation):
        tumor = segmentation.labels == 2
        few = tumor.sum() < 500
        return replace(segmentation, labels=np.where(few & tumor, 0, segmentation.labels).astype("u1"))


class ByAgreement(Keep):
    """Drops what few windows voted for, and keeps what no votes are known of; sound."""

    def __call__(self, segmentation):
        if segmentation.votes is None:
            return segmentation
        agreed = segmentation.votes >= 0.6 * segmentation.voters
        return replace(segmentation, labels=np.where(agreed, segmentation.labels, 0).astype("u1"))


class DropsVotes(Keep):
    """Gives labels alone; sound, as votes may be missing."""

    def __call__(self, segmentation):
        return Segmentation(segmentation.labels.copy(), segmentation.grid, segmentation.classes)


BROKEN = [
    (NotCallable, "interface"),
    (CropsIt, "result"),
    (LosesThePlace, "result"),
    (LosesTheOrigin, "result"),
    (CropsVotes, "result"),
    (Overwrites, "argument_is_left_alone"),
    (OverwritesVotes, "argument_is_left_alone"),
    (OverwritesVoters, "argument_is_left_alone"),
    (Forgets, "repeats"),
    (AtLeastSomeVoxels, "scale_in_mm"),
]
"""What is broken, and the check that catches it."""


@pytest.mark.parametrize("plugin", [Keep, ByAgreement, DropsVotes])
def test_a_sound_postprocessor_passes(plugin):
    assert failing(postprocessor_checks(plugin)) == {}


def test_every_check_has_a_plugin_that_it_catches():
    assert list(dict.fromkeys(check for _, check in BROKEN)) == [check.name for check in postprocessor_checks(Keep)]


@pytest.mark.parametrize(("plugin", "check"), BROKEN)
def test_a_broken_postprocessor_is_caught(plugin, check):
    found = failing(postprocessor_checks(plugin))
    assert check in found
    assert plugin.__name__ in found[check]


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        (LosesThePlace, "empty: gives another grid"),
        (LosesTheOrigin, "empty: gives another grid"),
        (CropsVotes, "an abdomen: gives arrays of several shapes"),
        (OverwritesVotes, "an abdomen: changes the votes that it was given"),
        (OverwritesVoters, "an abdomen: changes the voters that it was given"),
    ],
)
def test_nothing_but_its_own_check_catches_it_and_says_what_is_wrong(plugin, said):
    ((name, reason),) = failing(postprocessor_checks(plugin)).items()
    assert name == dict(BROKEN)[plugin]
    assert said in reason


def test_samples_lie_oblique_and_away_from_the_origin_and_finer_ones_fill_the_same_space():
    for sample in samples().values():
        affine = sample.grid.affine
        assert np.count_nonzero(affine[:3, :3]) > 3
        assert np.all(affine[:3, 3] != 0)
        assert sample.grid.spacing_mm == (0.8, 0.8, 2.0)
        fine = finer(sample)
        corner = np.array([-0.5, -0.5, -0.5, 1.0])
        assert np.allclose(fine.grid.affine @ corner, affine @ corner)
        assert fine.grid.voxel_mm3 * 8 == sample.grid.voxel_mm3
        assert fine.labels.sum() == 8 * sample.labels.sum()
        assert (fine.votes is None) == (sample.votes is None)
