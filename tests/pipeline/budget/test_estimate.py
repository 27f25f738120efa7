"""Tests of pnetkit.pipeline.budget.estimate: what augmentation adds to a step."""

from pathlib import Path

import pytest

from pnetkit.pipeline.budget import estimate
from pnetkit.pipeline.budget.estimate import PATCHES_TIMED, augmenting_seconds
from pnetkit.pipeline.stages.scans import Reading
from pnetkit.pipeline.stages.segment import SegmentSpec
from pnetkit.pipeline.stages.train import TrainSpec, training_plan
from pnetkit.recipe.models import TrainingSettings
from pnetkit.store.node import File, Node, Subject


def plan_of(**settings):
    small = {"patch_size": (8, 8, 8), "batch_size": 6}
    return training_plan(TrainingSettings(**small | settings).model_dump(mode="json"), checkpoint_every=1)


def test_mirrored_windows_are_timed_as_the_eight_that_they_are(monkeypatch):
    """Of a scan of one window, a second each."""
    monkeypatch.setattr(estimate, "_window_seconds", lambda *_: 1.0)
    train = Node(TrainSpec({"plugin": "a"}, 1, {}, 7, (True,), (), (), 100, ()), Subject("venous", folds=(0,)))
    reading = Reading((File(Path("i"), "d"),), {}, resample=False)
    inference = {"window_size": [8, 8, 8], "stride": [4, 4, 4], "precision": "fp32"}
    seconds = {}
    for test_time in ("none", "mirror"):
        spec = SegmentSpec(reading, inference | {"test_time": test_time}, train.ref, 1, (8, 8, 8))
        scan = Node(spec, Subject("venous", "P1"))
        (seconds[test_time],) = estimate._segment_seconds([scan], [train, scan], "cpu")
    assert seconds == {"none": 1.0, "mirror": 8.0}


def test_a_training_of_no_steps_is_not_timed():
    """A step of it could be more than this machine holds."""
    spec = TrainSpec({"plugin": "a"}, 1, {"iterations": 0}, 0, (), (), (), 1, ())
    assert estimate._training_seconds([Node(spec, Subject("venous", folds=(0,)))], "cpu") == [0.0]


def test_strong_augmentation_of_a_whole_batch_is_told_with_a_step_and_that_of_the_paper_costs_nothing(monkeypatch):
    numbers, clock = [], iter([10.0, 10.0 + PATCHES_TIMED * 0.5])
    monkeypatch.setattr(estimate, "strong_patch", lambda _case, _box, number, **_how: numbers.append(number))
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: next(clock))
    strong, paper = plan_of(augmentation="strong"), plan_of()
    assert augmenting_seconds(strong.sampling, strong) == pytest.approx(6 * 0.5)
    assert numbers == list(range(PATCHES_TIMED))
    assert augmenting_seconds(paper.sampling, paper) == 0
