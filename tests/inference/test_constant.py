"""Windows that are constant are answered once."""

import numpy as np
import torch

from pnetkit.inference.constant import remembering
from pnetkit.inference.voting import vote


def counting(run):
    """A predictor that labels a patch by its channels' sum, and keeps how many patches it was given."""

    def predict(patches):
        run.append(len(patches))
        return torch.from_numpy((np.abs(patches.sum(axis=1)) % 4).astype(np.uint8))

    return predict


def windows(*values):
    return np.stack([np.full((2, 4, 4, 4), value, np.float32) for value in values])


def test_windows_of_one_value_are_run_once_and_answered_alike():
    run = []
    predict = remembering(counting(run))
    assert predict(windows(1, 1, 3))[:, 0, 0, 0].tolist() == [2, 2, 2]
    assert predict(windows(3, 1))[:, 0, 0, 0].tolist() == [2, 2]
    assert run == [2]


def test_windows_of_several_values_are_run_each_time():
    run = []
    predict = remembering(counting(run))
    mixed = windows(0, 0)
    mixed[1, 1, 3, 3, 3] = 1
    for _ in range(2):
        assert predict(mixed)[:, 3, 3, 3].tolist() == [0, 1]
    assert run == [2, 1]


def test_a_channel_that_varies_makes_the_window_vary():
    run = []
    predict = remembering(counting(run))
    patches = windows(0)
    patches[0, 1] = np.arange(64).reshape(4, 4, 4)
    predict(patches)
    predict(patches)
    assert run == [1, 1]


def test_the_vote_is_that_without_a_memory_and_takes_fewer_windows():
    volume = np.zeros((1, 20, 12, 8), np.float32)
    volume[0, 15:, 8:, :5] = np.random.default_rng(0).integers(0, 4, (5, 4, 5))
    how = {"num_classes": 4, "window": (4, 4, 4), "stride": (2, 2, 2), "batch_size": 3, "fill": 0.0}
    plain, quick = [], []
    wanted = vote([counting(plain)], volume, **how)
    found = vote([remembering(counting(quick))], volume, **how)
    for name in ("labels", "votes", "voters"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name)), name
    assert sum(quick) < sum(plain) / 2
