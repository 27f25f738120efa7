"""What is seen of held-back cases while a network trains: counted by hand, without any effect on the training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pnetkit.interfaces import BackboneOutput
from pnetkit.label_sets import IGNORED, any_of
from pnetkit.training.checkpoint import read_checkpoint
from pnetkit.training.loop import train
from pnetkit.training.plan import Watch
from pnetkit.training.sampling import Batch, draw_batch
from pnetkit.training.watch import Watched, as_csv, from_csv, from_json, look, patches_to_watch

HOW = {"seed": 3, "device": "cpu", "maker": {"plugin": "tiny"}}
WATCH = Watch(patches=3, every=5)


class KilledError(Exception):
    """Stands for a kill."""


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


class Says(torch.nn.Module):
    """Says a class for each voxel, with certainty, whatever it is shown."""

    def __init__(self, said):
        super().__init__()
        self.said, self.seen = torch.tensor(said), []
        self.spec = None

    def forward(self, x):
        self.seen.append((len(x), self.training, torch.is_grad_enabled()))
        first = sum(count for count, _, _ in self.seen[:-1])
        logits = 50 * torch.nn.functional.one_hot(self.said[first : first + len(x)], 4).movedim(-1, 1).float()
        return BackboneOutput(logits)


@pytest.fixture
def three_patches():
    """Three patches of four voxels, and what is said of them: one voxel of tumor right, one missed, duct nowhere."""
    labels = np.array([[0, 1, 2, 2], [0, 0, 1, 1], [0, 0, 0, 0]], np.uint8).reshape(3, 4, 1, 1)
    said = np.array([[0, 1, 2, 1], [0, 0, 1, 0], [0, 2, 0, 0]]).reshape(3, 4, 1, 1)
    return Batch(np.zeros((3, 1, 4, 1, 1), np.float32), labels, ("P1", "P2", "P3")), said


def test_dice_and_loss_of_patches_are_those_of_all_their_voxels(three_patches, plan):
    batch, said = three_patches
    net = Says(said)
    net.spec = type("Spec", (), {"num_classes": 4})()
    found = look(net, batch, plan(), "cpu", 7)
    # pancreas set: 5 labeled voxels, 5 said, 4 of both; tumor: 2 labeled, 2 said, 1 of both
    assert found.dice == {"pancreas": 2 * 4 / 10, "tumor": 2 * 1 / 4, "duct": None}
    assert found.mean_dice == pytest.approx((0.8 + 0.5) / 2)
    assert found.loss == pytest.approx(50 * 3 / 12)  # three wrong voxels of twelve, each certain
    assert found.iteration == 7
    assert net.seen == [(2, False, False), (1, False, False)]  # as many at once as a batch has, in evaluation
    assert net.training


def test_voxels_whose_label_leaves_a_class_open_count_for_no_class_that_they_may_be(three_patches, plan):
    """The first patch's second voxel is pancreas or tumor, its last one anything; they are in no Dice of these."""
    batch, said = three_patches
    labels = batch.y.copy()
    labels[0, 1], labels[0, 3] = any_of([1, 2]), IGNORED
    net = Says(said)
    net.spec = type("Spec", (), {"num_classes": 4})()
    found = look(net, replace(batch, y=labels), plan(), "cpu", 7)
    # pancreas set: 4 labeled voxels, 4 said, 3 of both; tumor: 1 labeled, 2 said, 1 of both
    assert found.dice == {"pancreas": 2 * 3 / 8, "tumor": 2 * 1 / 3, "duct": None}
    # patches at once: of the first two, 7 voxels say something and 1 is wrong; of the last 4 and 1
    assert found.loss == pytest.approx(50 * (1 / 7 * 2 / 3 + 1 / 4 / 3), rel=1e-4)


def test_a_loss_that_is_no_number_is_none(three_patches, plan):
    batch, said = three_patches
    net = Says(said)
    net.spec = type("Spec", (), {"num_classes": 4})()
    net.register_forward_hook(lambda *given: BackboneOutput(given[2].logits * float("nan")))
    assert look(net, batch, plan(), "cpu", 7).loss is None


def test_a_course_goes_through_csv_and_json():
    course = [
        Watched(5, 1 / 3, {"pancreas": 0.5, "tumor": None, "duct": 0.25}),
        Watched(9, None, dict.fromkeys(("pancreas", "tumor", "duct"))),
    ]
    assert from_csv(as_csv(course)) == course
    assert [from_json(seen.to_json()) for seen in course] == course
    assert as_csv(course).splitlines()[0] == "iteration,loss,dice,dice_pancreas,dice_tumor,dice_duct"
    assert as_csv(course).splitlines()[1:] == ["5,0.3333333333333333,0.375,0.5,,0.25", "9,,,,,"]


def test_patches_are_the_same_whenever_they_are_drawn_and_not_those_of_a_step(cases, plan):
    watched = plan(watch=WATCH)
    one, two = (patches_to_watch(cases, watched, seed) for seed in (3, 3))
    assert np.array_equal(one.x, two.x)
    assert len(one.x) == 3
    step = draw_batch(cases, replace(plan().sampling, batch_size=3), np.random.default_rng([3, 0]))
    assert not np.array_equal(one.x, step.x)


@pytest.mark.slow
def test_to_watch_changes_no_weight_and_a_killed_training_goes_on_to_the_same_course(tiny_net, cases, plan, tmp_path):
    told = []

    def run(name, *, watch=WATCH, report=lambda *_: None):
        net = tiny_net()
        chosen = plan(iterations=12, checkpoint_every=5, watch=watch, average_decay=0.8, accumulation=2)
        seen = {} if watch is None else {"held_back": cases[2:], "seen": told.append}
        done = train(net, cases[:2], chosen, **HOW, checkpoint=tmp_path / name, report=report, **seen)
        return done, net.state_dict()

    def kill(iteration, _loss):
        if iteration == 10:
            raise KilledError

    plain, weights = run("plain", watch=None)
    whole, watched = run("whole")
    assert same(weights, watched)
    assert plain.losses == whole.losses
    assert [seen.iteration for seen in whole.watched] == [5, 10, 12]
    assert list(whole.watched) == told
    assert "watched" not in read_checkpoint(tmp_path / "plain").record
    with pytest.raises(KilledError):
        run("cut", report=kill)
    resumed, again = run("cut")
    assert resumed.watched == whole.watched
    assert same(weights, again)


def test_what_is_watched_is_the_average_where_that_is_tested(tiny_net, cases, plan, tmp_path):
    def last(name, **changes):
        net = tiny_net()
        chosen = plan(iterations=6, watch=WATCH, **changes)
        done = train(
            net, cases[:2], chosen, **HOW, checkpoint=tmp_path / name, report=lambda *_: None, held_back=cases[2:]
        )
        return done.watched[-1], look(net, patches_to_watch(cases[2:], chosen, 3), chosen, "cpu", 6)

    plain, averaged = last("plain"), last("averaged", average_decay=0.9)
    assert plain[0] == plain[1]
    assert averaged[0] == averaged[1]
    assert plain[0] != averaged[0]
