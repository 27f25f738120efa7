"""What results will take on disk is said before they are made, and is what they take."""

import pytest

from pnetkit.pipeline.budget import disk
from pnetkit.pipeline.engine.session import Listener
from pnetkit.pipeline.plan.request import RunRequest
from pnetkit.pipeline.run import dry_run
from pnetkit.pipeline.stages.train import TrainSpec
from pnetkit.recipe.check import load_recipe
from pnetkit.recipe.models import TrainingSettings
from pnetkit.store.node import Node, Subject
from tests.system.conftest import Runner

SETS = ["training.iterations=2", "inference.stride=8"]


def predicted(runner, **options):
    loaded = load_recipe(runner.recipe, None if options.get("table") else "demo", SETS)
    options = {"table": None, "device": "cpu", "workers": 0} | options
    request = RunRequest(loaded, options.pop("table"), runner.folder / "store", None, **options)
    return {stage.stage: stage for stage in dry_run(request, Listener())[0]}


def taken_mib(folder):
    """What a folder takes, in blocks, as file systems give them out."""
    return sum(-(-path.stat().st_size // disk.BLOCK) * disk.BLOCK for path in folder.rglob("*")) / 2**20


def test_checkpoints_hold_what_the_optimizer_and_an_average_keep_and_without_steps_there_are_none(monkeypatch):
    monkeypatch.setattr(disk, "state_bytes", lambda _: 10)

    def passing(**settings):
        training = TrainingSettings().model_dump(mode="json") | settings
        spec = TrainSpec({"plugin": "a"}, 1, training, 7, (True,), (), (), 100, ())
        return disk.checkpoint_bytes([Node(spec, Subject("venous", folds=(0,)))])

    assert passing() == 2 * 10 * 2  # two checkpoints of weights and momentum
    assert passing(optimizer="adamw") == 2 * 10 * 3
    assert passing(optimizer="adamw", average_decay=0.99) == 2 * 10 * 4
    assert passing(iterations=0) == 0


@pytest.mark.slow
def test_what_a_run_takes_of_the_disk_is_what_was_said_before(tmp_path):
    runner = Runner(tmp_path)
    said = predicted(runner)
    runner(sets=SETS)
    for name, stage in said.items():
        took = taken_mib(tmp_path / "store" / name)
        assert took / 1.25 <= stage.disk_mib <= 1.25 * took, name
    assert set(said) == {"prepare", "train", "segment", "postprocess", "classify", "measure"}
    assert said["train"].passing_mib > 0
    again = predicted(runner)
    assert [stage.disk_mib for stage in again.values()] == [0.0] * len(again)
    assert again["train"].passing_mib == 0
