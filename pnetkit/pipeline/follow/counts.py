"""Count how far a run is, stage by stage, and how long the rest of a stage will take."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol, runtime_checkable

WORDS = {
    "prepare": "preparing scans",
    "train": "training (iterations)",
    "segment": "segmenting scans",
    "adopt": "taking predictions over",
    "postprocess": "cleaning up",
    "features": "taking features",
    "fit": "fitting classifiers",
    "classify": "classifying",
    "measure": "measuring",
}
"""What the stages are called where people read of them."""


@runtime_checkable
class Step(Protocol):
    """What is counted of a node: its stage, its key, and how many units it has."""

    @property
    def stage(self) -> str:
        """Give the stage's name."""

    @property
    def key(self) -> str:
        """Give the node's key."""

    @property
    def weight(self) -> int:
        """Give the node's units."""


@dataclass(slots=True)
class StageCount:
    """Hold how far a stage is: units in all, done, and of these reused; when its first new unit was told, the last."""

    total: int = 0
    done: int = 0
    reused: int = 0
    started: float | None = None
    told: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Tell whether all is done."""
        return self.done >= self.total

    def seconds(self, now: float) -> float:
        """Give how long the stage has been at work."""
        return 0.0 if self.started is None else (self.told if self.is_complete else now) - self.started

    def left_s(self, now: float) -> float | None:
        """Give the seconds that the rest takes at the pace of what was made anew; None where nobody can tell."""
        fresh = self.done - self.reused
        return None if self.is_complete or not fresh else (self.total - self.done) * self.seconds(now) / fresh


@dataclass(slots=True)
class Counts:
    """Hold how far a run is, by stage in the order of its graph."""

    clock: Callable[[], float] = monotonic
    stages: dict[str, StageCount] = field(default_factory=dict)
    _done: dict[str, int] = field(default_factory=dict)

    def plan(self, nodes: Sequence[Step]) -> None:
        """Take notice of what there is to do."""
        for node in nodes:
            self.stages.setdefault(node.stage, StageCount()).total += node.weight

    def take(self, node: Step, done: int, *, reused: bool) -> StageCount:
        """Take notice that a node has done so many of its units; give the count of its stage."""
        count = self.stages[node.stage]
        before = self._done.get(node.key, 0)
        self._done[node.key] = max(done, before)
        count.done += self._done[node.key] - before
        count.told = self.clock() if self._done[node.key] > before else count.told
        if reused:
            count.reused += done
        elif count.started is None:
            count.started = self.clock()
        return count
