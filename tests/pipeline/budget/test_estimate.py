"""Tests of pnetkit.pipeline.budget.estimate: what augmentation adds to a step."""

import pytest

from pnetkit.pipeline.budget import estimate
from pnetkit.pipeline.budget.estimate import PATCHES_TIMED, augmenting_seconds
from pnetkit.pipeline.stages.train import training_plan
from pnetkit.recipe.models import TrainingSettings


def plan_of(**settings):
    small = {"patch_size": (8, 8, 8), "batch_size": 6}
    return training_plan(TrainingSettings(**small | settings).model_dump(mode="json"), checkpoint_every=1)


def test_strong_augmentation_of_a_whole_batch_is_told_with_a_step_and_that_of_the_paper_costs_nothing(monkeypatch):
    numbers, clock = [], iter([10.0, 10.0 + PATCHES_TIMED * 0.5])
    monkeypatch.setattr(estimate, "strong_patch", lambda _case, _box, number, **_how: numbers.append(number))
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: next(clock))
    strong, paper = plan_of(augmentation="strong"), plan_of()
    assert augmenting_seconds(strong.sampling, strong) == pytest.approx(6 * 0.5)
    assert numbers == list(range(PATCHES_TIMED))
    assert augmenting_seconds(paper.sampling, paper) == 0
