"""The losses of a run's trainings, and what they see of cases that they hold back: while they go, and of those done."""

from dataclasses import dataclass, field
from pathlib import Path

from pnetkit.files import read_json
from pnetkit.pipeline.engine.schedule import Progress
from pnetkit.pipeline.outcome.folder import METRICS
from pnetkit.pipeline.stages import train
from pnetkit.store.store import Store
from pnetkit.training.watch import Watched, from_json


@dataclass(slots=True)
class Losses:
    """Give of every training the losses that are new, each with its iteration, in rising order."""

    store: Store
    _last: dict[str, int] = field(default_factory=dict)

    def new(self, told: Progress) -> list[tuple[int, float]]:
        """Give what a training has said since it was last asked; of one that is done, the rest of its course.

        While it goes, only the last loss is there to be seen, so that a fast one is seen at some iterations alone.
        """
        node = told.node
        if node.stage != train.STAGE.name or told.error is not None:
            return []
        last = self._last.get(node.key, 0)
        points = [(told.done, told.loss)] if told.loss is not None else []
        if told.loss is None and told.done >= node.weight:
            points = train.read_losses(self.store, node.ref, node.weight)
        fresh = [point for point in points if point[0] > last]
        if fresh:
            self._last[node.key] = fresh[-1][0]
        return fresh


@dataclass(slots=True)
class Watches:
    """Give of every training what it has newly seen of the cases that it holds back, in rising order of iterations."""

    store: Store
    _last: dict[str, int] = field(default_factory=dict)

    def new(self, told: Progress) -> list[Watched]:
        """Give what a training has seen since it was last asked; of one that is done, the rest of it."""
        node = told.node
        if node.stage != train.STAGE.name or told.error is not None:
            return []
        found = [from_json(told.watched)] if told.watched is not None else []
        if told.watched is None and told.done >= node.weight:
            found = train.read_watched(self.store, node.ref)
        fresh = [seen for seen in found if seen.iteration > self._last.get(node.key, 0)]
        if fresh:
            self._last[node.key] = fresh[-1].iteration
        return fresh


def metrics_of(seen: Watched) -> dict[str, float]:
    """Give what was seen by the names of curves: `held back loss`, `held back dice` and that of each class."""
    named = {"loss": seen.loss, "dice": seen.mean_dice} | {f"dice {name}": of for name, of in seen.dice.items()}
    return {f"held back {name}": value for name, value in named.items() if value is not None}


def figures_of(folder: Path) -> dict[str, float]:
    """Give the figures of a run that has ended, by view and name; none where it did not get so far."""
    path = folder / METRICS
    if not path.is_file():
        return {}
    metrics = read_json(path)
    views = {"fused": metrics["fused"]} | {name: of["decision"] for name, of in metrics["phases"].items()}
    found = {f"{view}/auc": of["auc"] for view, of in views.items()}
    for rate in ("sensitivity", "specificity"):
        found |= {f"{view}/{rate}": of[rate]["value"] for view, of in views.items()}
    return {name: float(value) for name, value in found.items() if value is not None}
