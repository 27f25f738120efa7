"""A run whose trainings are shared by processes: the bytes of any other run, or a refusal before anything begins."""

import json
import multiprocessing
import threading
import time

import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.errors import RecipeError
from tests.system.conftest import Runner, results

SETS = (
    'phases=["venous"]',
    "training.iterations=12",
    "training.batch_size=4",
    "training.accumulation=2",
    "training.checkpoint_every=2",
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A run of one process a training: what it wrote, and its networks by key."""
    runner = Runner(tmp_path_factory.mktemp("plain"))
    return results(runner(sets=SETS).folder), networks(runner.folder / "store")


def networks(store):
    return {path.parent.name: path.read_bytes() for path in (store / "train").glob("*/weights.safetensors")}


def attempts(store):
    records = [json.loads(path.read_text()) for path in (store / "train").glob("*/stage.json")]
    return [[(of["from_iteration"], of["processes"]) for of in record["details"]["attempts"]] for record in records]


@pytest.mark.slow
def test_a_run_with_two_processes_a_training_gives_the_bytes_of_a_plain_one(tiny, plain, monkeypatch):
    monkeypatch.chdir(tiny.folder)
    sets = [word for value in SETS for word in ("--set", value)]
    options = ["--out", "out", "--store", "store", "--device", "cpu", "--workers", "1", "--no-report"]
    said = CliRunner().invoke(cli, ["run", str(tiny.recipe), *sets, *options, "--devices-per-training", "2"])
    assert said.exit_code == 0, said.output
    assert (results(tiny.folder / "out"), networks(tiny.folder / "store")) == plain
    assert attempts(tiny.folder / "store") == [[(0, "2")]] * 2
    record = json.loads((tiny.folder / "out" / "run.json").read_text())
    assert (record["workers"], record["devices_per_training"]) == (1, 2)


@pytest.mark.slow
def test_a_process_of_a_training_that_is_killed_costs_what_came_after_the_checkpoint(tiny, plain):
    def kill():
        while not list((tiny.folder / "store" / "partial").glob("train-*/checkpoint.safetensors")):
            time.sleep(0.01)
        helpers.extend(child for child in multiprocessing.active_children() if child.name == "training-1")
        helpers[0].kill()

    helpers = []
    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    result = tiny(sets=SETS, per_training=2)
    thread.join(10)
    assert result.failed == {}
    assert (results(result.folder), networks(tiny.folder / "store")) == plain
    once, twice = sorted(attempts(tiny.folder / "store"), key=len)
    assert once == [(0, "2")]
    assert [processes for _, processes in twice] == ["2", "2"]
    assert twice[1][0] >= 2


def test_a_number_of_processes_that_a_batch_cannot_be_dealt_out_to_is_refused_before_anything_is_made(tiny):
    with pytest.raises(RecipeError, match=r"training\.accumulation: cuts a batch of 4 into 2 parts.*training 1 or 2"):
        tiny(sets=SETS, per_training=3)
    assert not (tiny.folder / "store").exists()
