"""Strong augmentation: a function of seed, iteration and patch alone, and a network learns with it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pnetkit.training.loop import train
from pnetkit.training.parts import draw, share_of
from pnetkit.training.sampling import WHOLE, Sampling, Share

MAKER = {"plugin": "tiny", "distribution": "here", "version": "1", "source": "0"}


def drawn(cases, plan, iteration=0, share=WHOLE, seed=3):
    return draw(cases, plan, seed=seed, iteration=iteration, share=share, device="cpu")


def test_a_patch_is_the_same_whoever_draws_it_and_whatever_was_drawn_before(cases, plan):
    sampling = Sampling((8, 8, 8), 8, 0.5, 0.5, "balanced", accumulation=4)
    strong = plan(augmentation="strong", accumulation=4, sampling=sampling)
    for iteration in range(3):
        whole = drawn(cases, strong, iteration, Share(range(4), 4))
        others = [drawn(cases, strong, iteration, share_of(rank, 2, 4)) for rank in (1, 0)]  # in another order
        parts = [part for of in reversed(others) for part in of.parts]
        for one, other in zip(whole.parts, parts, strict=True):
            assert torch.equal(one.x, other.x)
            assert torch.equal(one.y, other.y)


def test_patches_differ_from_each_other_from_step_to_step_and_by_the_seed(cases, plan):
    strong = plan(augmentation="strong", sampling=Sampling((8, 8, 8), 16, 1.0, 1.0, "uniform"))
    one = drawn(cases[:1], strong).parts[0].x
    assert len({patch.numpy().tobytes() for patch in one}) > 12
    assert not torch.equal(one, drawn(cases[:1], strong, iteration=1).parts[0].x)
    assert not torch.equal(one, drawn(cases[:1], strong, seed=4).parts[0].x)


def test_strong_patches_lie_where_the_plain_ones_do_and_none_leaves_them_as_they_are(cases, plan):
    sampling = Sampling((8, 8, 8), 32, 0.5, 0.5, "uniform")
    plain, paper, strong = (drawn(cases, plan(augmentation=a, sampling=sampling)) for a in ("none", "paper", "strong"))
    assert plain.case_ids == paper.case_ids == strong.case_ids
    same = [torch.equal(a, b) for a, b in zip(plain.parts[0].y, strong.parts[0].y, strict=True)]
    assert 1 <= sum(same) < 16  # of those that are neither turned nor scaled an eighth is not mirrored either
    assert torch.equal(
        plain.parts[0].x, drawn(cases, plan(rotations="none", flips=False, sampling=sampling)).parts[0].x
    )


def test_labels_go_where_the_image_goes(cases, plan):
    """Tissue of the tiny cases is 80 HU a label above the last: within a smooth place both say the same."""
    sampling = Sampling((8, 8, 8), 64, 1.0, 1.0, "uniform")
    part = drawn(cases[:1], plan(augmentation="strong", sampling=sampling)).parts[0]
    x, y = part.x.numpy()[:, 0], part.y.numpy()
    assert all(
        x[i][y[i] == 1].mean() > x[i][y[i] == 0].mean() + 0.5 for i in range(64) if {0, 1} <= set(np.unique(y[i]))
    )
    assert set(np.unique(y)) == {0, 1, 2}


def test_corners_of_a_turned_patch_hold_the_scan_and_beyond_it_air(cases, plan):
    wide = replace(cases[0], hu=np.zeros((1, 40, 40, 40), np.int16), labels=np.ones((40, 40, 40), np.uint8))
    wide = replace(wide, foreground=np.array([20 * 1600 + 20 * 40 + 20]), lesion=np.array([], np.int64))
    part = drawn([wide], plan(augmentation="strong", sampling=Sampling((8, 8, 8), 64, 1.0, 0.0, "uniform"))).parts[0]
    assert (part.y == 1).all()
    small = replace(wide, hu=np.zeros((1, 6, 40, 40), np.int16), labels=np.ones((6, 40, 40), np.uint8))
    small = replace(small, foreground=np.array([3 * 1600 + 20 * 40 + 20]))
    part = drawn([small], plan(augmentation="strong", sampling=Sampling((8, 8, 8), 64, 1.0, 0.0, "uniform"))).parts[0]
    assert all((y == 0).any() and (y == 1).any() for y in part.y)


@pytest.mark.slow
@pytest.mark.parametrize("augmentation", ["strong", "none"])
def test_a_network_learns_with_it_and_goes_on_to_the_same_bits(augmentation, cases, plan, tiny_net, tmp_path):
    quick = plan(augmentation=augmentation, iterations=40, learning_rate=0.2, checkpoint_every=25)

    def trained(checkpoint, until=None):
        def report(iteration, _loss):
            if iteration == until:
                raise KeyboardInterrupt

        network = tiny_net(aux=False)
        how = {"seed": 1, "device": "cpu", "checkpoint": checkpoint, "report": report, "maker": MAKER}
        return network, train(network, cases, quick, draw_ahead=until is not None, **how)

    network, course = trained(tmp_path / "a")
    assert course.losses[-1] < 0.6 * course.losses[0]
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "b", until=30)
    resumed, _ = trained(tmp_path / "b")
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), resumed.parameters(), strict=True))
