"""Write a run's settings, losses and figures into MLflow's store of files (extra `mlflow`).

Only files below one folder are written: no server is asked, and MLflow's telemetry is off. Its store of files is in
maintenance since MLflow 3, and has to be allowed by name; it is the only one that needs neither server nor database.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pnetkit.errors import PnetkitError
from pnetkit.extras import require_extra
from pnetkit.pipeline.engine.schedule import Progress
from pnetkit.pipeline.follow.follower import BROKEN, DONE, INTERRUPTED, Follower
from pnetkit.pipeline.follow.losses import Losses, Watches, figures_of, metrics_of
from pnetkit.pipeline.outcome.folder import RECIPE
from pnetkit.recipe.document import read_document
from pnetkit.store.store import Store

EXPERIMENT = "pnetkit"

ENVIRONMENT = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
"""What MLflow is told before it is imported."""

STATUS = {DONE: "FINISHED", INTERRUPTED: "KILLED", BROKEN: "FAILED"}

LONGEST = 500
"""Letters of a setting that MLflow keeps in every release."""


def mlflow_follower(root: Path, store: Path) -> Follower:
    """Give a follower that writes a run of MLflow into its store of files at `root`.

    Raises MissingExtraError where MLflow is not installed.
    """
    require_extra("mlflow", "--mlflow")
    losses, watches, opened = Losses(Store(store)), Watches(Store(store)), dict[str, Any]()

    def begin(folder: Path) -> None:
        os.environ.update(ENVIRONMENT)
        from mlflow.tracking import MlflowClient  # noqa: PLC0415  # an extra, and slow to import

        client = MlflowClient(tracking_uri=root.resolve().as_uri())
        known = client.get_experiment_by_name(EXPERIMENT)
        experiment = client.create_experiment(EXPERIMENT) if known is None else known.experiment_id
        run = client.create_run(experiment, run_name=folder.name).info.run_id
        opened.update(folder=folder, client=client, run=run)
        for name, value in _settings(folder):
            client.log_param(run, name, value[:LONGEST])

    def progress(told: Progress) -> None:
        for step, loss in losses.new(told):
            opened["client"].log_metric(opened["run"], f"loss/{told.node.label}", loss, step=step)
        for seen in watches.new(told):
            for name, value in metrics_of(seen).items():
                opened["client"].log_metric(opened["run"], f"{name}/{told.node.label}", value, step=seen.iteration)

    def ended(how: str) -> None:
        if "run" not in opened:
            return
        for name, value in figures_of(opened["folder"]).items():
            opened["client"].log_metric(opened["run"], name, value)
        opened["client"].set_terminated(opened["run"], STATUS[how])

    return Follower("MLflow", opened=begin, progress=progress, ended=ended)


def _settings(folder: Path) -> Iterator[tuple[str, str]]:
    """Give the recipe's settings as names with dots and texts."""
    try:
        yield from _flat(read_document(folder / RECIPE).data, "")
    except PnetkitError:
        return


def _flat(value: object, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, of in value.items():
            yield from _flat(of, f"{name}.{key}" if name else str(key))
    else:
        yield name, str(value)
