"""Voting: equal to a naive loop, whatever the batches; ties go to the lowest label."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pnetkit.inference import voting
from pnetkit.inference.sliding import sliding_patches, windows_over
from pnetkit.inference.windows import window_starts


def vote(predictors, volume, **how):
    """Let predictors vote that answer with arrays."""
    return voting.vote([lambda p, f=f: torch.from_numpy(f(p)) for f in predictors], volume, **how)


def by_content(patches):
    """A predictor whose answer depends on the window's content and on the place within the window."""
    place = np.arange(np.prod(patches.shape[2:])).reshape(patches.shape[2:])
    total = np.round(patches.sum(axis=(1, 2, 3, 4))).astype(int)
    return ((place[None] + total[:, None, None, None] + np.round(patches[:, 0]).astype(int)) % 4).astype(np.uint8)


def naive(predict, volume, num_classes, window, stride):
    """One window at a time, one voxel at a time."""
    shape = volume.shape[1:]
    votes = np.zeros((*shape, num_classes), int)
    for x in window_starts(shape[0], window[0], stride[0]):
        for y in window_starts(shape[1], window[1], stride[1]):
            for z in window_starts(shape[2], window[2], stride[2]):
                patch = volume[:, x : x + window[0], y : y + window[1], z : z + window[2]]
                labels = predict(patch[None])[0]
                for i, j, k in np.ndindex(*window):
                    votes[x + i, y + j, z + k, labels[i, j, k]] += 1
    winner = np.zeros(shape, np.uint8)
    for voxel in np.ndindex(*shape):
        best = 0
        for label in range(1, num_classes):
            if votes[voxel][label] > votes[voxel][best]:
                best = label
        winner[voxel] = best
    return winner, votes.max(axis=-1), votes.sum(axis=-1)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(*[st.integers(4, 11)] * 3),
    stride=st.integers(1, 4),
    batch_size=st.integers(1, 7),
    seed=st.integers(0, 99),
)
def test_votes_are_those_of_a_naive_loop_whatever_the_batch_size(shape, stride, batch_size, seed):
    volume = np.random.default_rng(seed).integers(0, 9, size=(1, *shape)).astype(np.float32)
    window = (4, 4, 4)
    got = vote([by_content], volume, num_classes=4, window=window, stride=(stride,) * 3, batch_size=batch_size, fill=0)
    labels, votes, voters = naive(by_content, volume, 4, window, (stride,) * 3)
    assert np.array_equal(got.labels, labels)
    assert np.array_equal(got.votes, votes)
    assert np.array_equal(got.voters, voters)


def test_a_tie_goes_to_the_lowest_label():
    answers = iter([3, 1])  # two windows that overlap in two slices, and disagree

    def predict(patches):
        return np.stack([np.full(patches.shape[2:], next(answers), np.uint8) for _ in patches])

    got = vote(
        [predict],
        np.zeros((1, 6, 4, 4), np.float32),
        num_classes=4,
        window=(4, 4, 4),
        stride=(2, 4, 4),
        batch_size=1,
        fill=0,
    )
    assert got.labels[:, 0, 0].tolist() == [3, 3, 1, 1, 1, 1]
    assert got.votes[:, 0, 0].tolist() == [1, 1, 1, 1, 1, 1]
    assert got.voters[:, 0, 0].tolist() == [1, 1, 2, 2, 1, 1]


def test_a_predictor_that_labels_each_voxel_by_itself_comes_back_unchanged():
    volume = np.random.default_rng(0).integers(0, 4, size=(1, 9, 10, 5)).astype(np.float32)
    got = vote(
        [lambda p: p[:, 0].astype(np.uint8)],
        volume,
        num_classes=4,
        window=(4, 6, 8),
        stride=(3, 2, 5),
        batch_size=3,
        fill=2,
    )
    assert np.array_equal(got.labels, volume[0])
    assert np.array_equal(got.votes, got.voters)


def test_a_slab_of_eleven_slices_is_padded_with_air_and_cut_back():
    seen = []

    def predict(patches):
        seen.append(patches)
        return (patches[:, 0] > 0).astype(np.uint8)

    volume = np.ones((1, 20, 20, 11), np.float32)
    got = vote([predict], volume, num_classes=4, window=(16, 16, 16), stride=(5, 5, 5), batch_size=4, fill=-7)
    assert got.labels.shape == (20, 20, 11)
    assert (got.labels == 1).all()
    patches = np.concatenate(seen)
    assert patches.shape[2:] == (16, 16, 16)
    assert (patches[..., :2] == -7).all()
    assert (patches[..., 13:] == -7).all()


@pytest.mark.parametrize(("stride", "most"), [(1, 512), (2, 64), (4, 8)])
def test_counters_do_not_overflow_where_bytes_would(stride, most):
    volume = np.zeros((1, 16, 16, 16), np.float32)
    got = vote(
        [lambda p: np.ones((len(p), *p.shape[2:]), np.uint8)],
        volume,
        num_classes=4,
        window=(8, 8, 8),
        stride=(stride,) * 3,
        batch_size=8,
        fill=0,
    )
    assert (got.labels == 1).all()
    assert got.votes[0, 0, 0] == got.voters[0, 0, 0] == 1
    assert got.votes[8, 8, 8] == got.voters[8, 8, 8] == most  # 8 / stride windows hold it along each axis


def test_places_far_apart_get_the_votes_of_the_whole_grid():
    rng = np.random.default_rng(3)
    volume = rng.standard_normal((1, 40, 9, 8)).astype(np.float32)
    how = {"num_classes": 4, "window": (6, 6, 6), "stride": (2, 3, 2), "batch_size": 3, "fill": 0}

    def predict(patches):
        return (
            (np.abs(patches[:, 0] - patches.mean(axis=(1, 2, 3, 4))[:, None, None, None]) * 2)
            .clip(0, 3)
            .astype(np.uint8)
        )

    where = np.zeros((40, 9, 8), bool)
    where[1, 2, 3] = where[30:32, 4:, 1] = where[39, 8, 7] = True
    everywhere, there = vote([predict], volume, **how), vote([predict], volume, **how, where=where)
    assert there.windows < everywhere.windows / 2
    for name in ("labels", "votes", "voters"):
        assert np.array_equal(getattr(there, name), np.where(where, getattr(everywhere, name), 0)), name


def test_several_predictors_vote_together_and_the_lowest_label_wins_a_tie():
    fixed = [lambda p, value=value: np.full((len(p), *p.shape[2:]), value, np.uint8) for value in (3, 1, 3, 1, 2)]
    how = {"num_classes": 4, "window": (4, 4, 4), "stride": (2, 2, 2), "batch_size": 3, "fill": 0}
    got = vote(fixed, np.zeros((1, 6, 4, 4), np.float32), **how)
    assert (got.labels == 1).all()
    assert got.votes[:, 0, 0].tolist() == [2, 2, 4, 4, 2, 2]
    assert got.voters[:, 0, 0].tolist() == [5, 5, 10, 10, 5, 5]


@pytest.mark.slow
@pytest.mark.parametrize("predictors", [255, 256, 65_536])
def test_counters_hold_the_votes_of_all_predictors(predictors):
    """One window and a voxel are enough: 256 votes for a label are 0 in a byte, and 65,536 are in two."""
    one = torch.ones((1, 1, 1, 1), dtype=torch.uint8)
    how = {"num_classes": 2, "window": (1, 1, 1), "stride": (1, 1, 1), "batch_size": 1, "fill": 0}
    got = voting.vote([lambda _: one] * predictors, np.zeros((1, 1, 1, 1), np.float32), **how)
    assert got.labels.item() == 1
    assert got.votes.item() == got.voters.item() == predictors


def test_an_inset_leaves_out_windows_that_see_a_place_only_near_their_edge():
    volume = np.random.default_rng(5).integers(0, 9, size=(1, 24, 12, 12)).astype(np.float32)
    where = np.zeros((24, 12, 12), bool)
    where[12, 5, 5] = True
    how = {"num_classes": 4, "window": (8, 8, 8), "stride": (2, 4, 4), "batch_size": 1, "fill": 0, "where": where}
    seen = windows_over((24, 12, 12), how["window"], how["stride"], where, inset=2)
    all_of_them, central = vote([by_content], volume, **how), vote([by_content], volume, **how, windows=seen)
    assert int(all_of_them.voters[12, 5, 5]) == 4 * 2 * 2  # starts 6, 8, 10, 12 along x; 0 and 4 along y and z
    assert int(central.voters[12, 5, 5]) == 2  # 8 and 10 along x, 0 along y and z: 5 is two voxels from its end
    assert central.windows == 2


def test_an_inset_leaves_every_place_at_least_one_voter():
    where = np.random.default_rng(6).random((19, 17, 13)) < 0.05
    volume = np.zeros((1, 19, 17, 13), np.float32)
    how = {"num_classes": 4, "window": (8, 8, 8), "stride": (4, 4, 4), "batch_size": 5, "fill": 0, "where": where}
    seen = windows_over((19, 17, 13), how["window"], how["stride"], where, inset=2)
    assert (vote([by_content], volume, **how, windows=seen).voters[where] > 0).all()


@pytest.mark.parametrize("planes", [2, 64])
def test_planes_that_are_decided_together_get_the_labels_of_each_decided_alone(monkeypatch, planes):
    volume = np.random.default_rng(7).integers(0, 9, size=(1, 30, 20, 25)).astype(np.float32)
    where = np.random.default_rng(8).random((30, 20, 25)) < 0.7
    how = {"num_classes": 4, "window": (8, 8, 8), "stride": (3, 3, 3), "batch_size": 4, "fill": 0, "where": where}
    alone = vote([by_content], volume, **how)
    monkeypatch.setattr(voting, "_planes_at_once", lambda _, count: min(count, planes))
    together = vote([by_content], volume, **how)
    for name in ("labels", "votes", "voters"):
        assert np.array_equal(getattr(alone, name), getattr(together, name)), name


@pytest.mark.parametrize(
    ("windows", "size", "batches"), [(7, 3, [3, 4]), (8, 3, [3, 3, 2]), (1, 3, [1]), (3, 1, [1] * 3)]
)
def test_no_window_is_alone_in_a_batch_where_another_one_has_company(windows, size, batches):
    volume, places = np.zeros((1, 12, 10, 9), np.float32), windows_over((12, 10, 9), (4, 4, 4), (3, 3, 3))[:windows]
    cut = list(sliding_patches(volume, places, size))
    assert [len(patches) for _, patches in cut] == batches
    assert [place for batch, _ in cut for place in batch] == places


def test_patches_that_are_cut_ahead_are_those_cut_when_asked_for():
    volume = np.random.default_rng(9).random((2, 12, 10, 9)).astype(np.float32)
    places = windows_over((12, 10, 9), (4, 4, 4), (3, 3, 3))
    ahead, then = (list(sliding_patches(volume, places, 5, ahead=ahead)) for ahead in (True, False))
    assert [place for batch, _ in ahead for place in batch] == places
    for (here, patches), (there, others) in zip(ahead, then, strict=True):
        assert here == there
        assert np.array_equal(patches, others)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_vote_on_a_gpu_is_that_on_the_cpu():
    volume = np.random.default_rng(7).integers(0, 9, size=(1, 30, 20, 25)).astype(np.float32)
    how = {"num_classes": 4, "window": (8, 8, 8), "stride": (3, 3, 3), "batch_size": 4, "fill": 0}
    here = vote([by_content], volume, **how)
    there = voting.vote([lambda p: torch.from_numpy(by_content(p)).cuda()], volume, **how, device="cuda")
    for name in ("labels", "votes", "voters"):
        assert np.array_equal(getattr(here, name), getattr(there, name)), name
