"""The losses of a run's trainings: what they say while they go, and the whole course of those that are done."""

from dataclasses import dataclass, field
from pathlib import Path

from pnetkit.files import read_json
from pnetkit.pipeline.engine.schedule import Progress
from pnetkit.pipeline.outcome.folder import METRICS
from pnetkit.pipeline.stages import train
from pnetkit.store.store import Store


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
