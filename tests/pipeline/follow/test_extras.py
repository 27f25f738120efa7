"""What TensorBoard and MLflow are given, read back with their own readers; and what is said where they are missing."""

import json
import sys
from pathlib import Path

import pytest

from pnetkit.errors import MissingExtraError
from pnetkit.pipeline.engine.schedule import Progress
from pnetkit.pipeline.follow import mlflow, tensorboard
from pnetkit.pipeline.follow.losses import Losses, Watches
from pnetkit.store.node import Node, Subject
from pnetkit.store.store import Store
from pnetkit.training.watch import CLASSES, Watched, as_csv
from tests.nodes import AnySpec

TRAINING = Node(AnySpec("train", identity={"name": "x"}), Subject("venous", folds=(0,)), 25)
RATE = {"value": 0.75, "successes": 3, "total": 4, "low": 0.3, "high": 0.95}
SEEN = [Watched(10, 0.75, dict.fromkeys(CLASSES, 0.25)), Watched(25, None, dict.fromkeys(CLASSES) | {"tumor": 0.5})]
DECISION = {"auc": 0.875, "sensitivity": RATE, "specificity": RATE | {"value": None}}


def run_of(follower, folder):
    """Tell a follower of a training that is seen at iteration 10 and then at its end."""
    (folder / "out").mkdir(parents=True)
    (folder / "out" / "recipe.yaml").write_text("name: tiny\ntraining: {iterations: 25}\n")
    follower.opened(folder / "out")
    follower.progress(Progress(TRAINING, 10, loss=0.5, watched=SEEN[0].to_json()))
    done = folder / "store" / "train" / TRAINING.key[:32]
    done.mkdir(parents=True)
    (done / "losses.json").write_text(json.dumps([0.5, 0.25, 0.125]))
    (done / "watched.csv").write_text(as_csv(SEEN))
    follower.progress(Progress(TRAINING, 25))
    (folder / "out" / "metrics.json").write_text(json.dumps({"fused": DECISION, "phases": {}}))
    follower.ended("done")


def test_a_loss_is_given_once_and_the_end_of_a_training_gives_the_rest(tmp_path):
    losses = Losses(Store(tmp_path))
    assert losses.new(Progress(TRAINING, 10, loss=0.5)) == [(10, 0.5)]
    assert losses.new(Progress(TRAINING, 10, loss=0.5)) == []
    assert losses.new(Progress(TRAINING, 0, error="it broke")) == []
    done = tmp_path / "train" / TRAINING.key[:32]
    done.mkdir(parents=True)
    (done / "losses.json").write_text(json.dumps([0.5, 0.25, 0.125]))
    assert losses.new(Progress(TRAINING, 25)) == [(20, 0.25), (25, 0.125)]


def test_what_is_seen_of_held_back_cases_is_given_once_and_the_end_gives_the_rest(tmp_path):
    watches = Watches(Store(tmp_path))
    assert watches.new(Progress(TRAINING, 10, watched=SEEN[0].to_json())) == SEEN[:1]
    assert watches.new(Progress(TRAINING, 20, watched=SEEN[0].to_json())) == []
    done = tmp_path / "train" / TRAINING.key[:32]
    done.mkdir(parents=True)
    assert watches.new(Progress(TRAINING, 25)) == []  # one that held none back
    (done / "watched.csv").write_text(as_csv(SEEN))
    assert watches.new(Progress(TRAINING, 25)) == SEEN[1:]


def test_event_files_hold_losses_by_iteration_and_figures(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    run_of(tensorboard.tensorboard_follower(tmp_path / "tb", tmp_path / "store"), tmp_path)
    (path,) = (tmp_path / "tb" / "out").iterdir()
    found = {}
    for event in EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            number = value.simple_value or value.tensor.float_val[0]
            found.setdefault(value.tag, []).append((event.step, number))
    assert found == {
        "loss/venous fold 0": [(10, 0.5), (20, 0.25), (25, 0.125)],
        "held back loss/venous fold 0": [(10, 0.75)],
        "held back dice/venous fold 0": [(10, 0.25), (25, 0.5)],
        "held back dice tumor/venous fold 0": [(10, 0.25), (25, 0.5)],
        "held back dice pancreas/venous fold 0": [(10, 0.25)],
        "held back dice duct/venous fold 0": [(10, 0.25)],
        "fused/auc": [(0, 0.875)],
        "fused/sensitivity": [(0, 0.75)],
    }


def test_mlflow_holds_settings_losses_and_figures_in_files_and_has_no_telemetry(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    from mlflow.tracking import MlflowClient

    for name in mlflow.ENVIRONMENT:
        monkeypatch.setenv(name, "")
    run_of(mlflow.mlflow_follower(tmp_path / "ml", tmp_path / "store"), tmp_path)
    client = MlflowClient(tracking_uri=(tmp_path / "ml").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("pnetkit").experiment_id])
    history = client.get_metric_history(run.info.run_id, "loss/venous fold 0")
    assert [(of.step, of.value) for of in history] == [(10, 0.5), (20, 0.25), (25, 0.125)]
    history = client.get_metric_history(run.info.run_id, "held back dice tumor/venous fold 0")
    assert [(of.step, of.value) for of in history] == [(10, 0.25), (25, 0.5)]
    assert run.data.params == {"name": "tiny", "training.iterations": "25"}
    assert run.data.metrics["fused/auc"] == 0.875
    assert (run.info.status, run.info.run_name) == ("FINISHED", "out")


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_missing_package_is_said_before_anything_is_run(name, monkeypatch):
    monkeypatch.setattr("pnetkit.extras.find_spec", lambda _: None)
    monkeypatch.delitem(sys.modules, name, raising=False)
    make = {"tensorboard": tensorboard.tensorboard_follower, "mlflow": mlflow.mlflow_follower}[name]
    with pytest.raises(MissingExtraError, match=rf"--{name} needs {name}. Install it: pip install 'pnetkit\[{name}\]'"):
        make(Path("there"), Path("store"))
