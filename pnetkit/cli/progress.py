"""Show how far a run is: bars with the time left on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, runtime_checkable

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeft

from pnetkit.cli.console import console

LINE_EVERY_S = 30.0
"""Seconds between two lines about the same stage where there is no terminal."""

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
"""What the stages are called on the screen."""


@runtime_checkable
class Step(Protocol):
    """What is shown of a node: its stage, its key, and how many units it has."""

    @property
    def stage(self) -> str:
        """Give the stage's name."""

    @property
    def key(self) -> str:
        """Give the node's key."""

    @property
    def weight(self) -> int:
        """Give the node's units."""


class ProgressView:
    """Follows a run's nodes and draws one bar, or one line now and then, for each stage."""

    def __init__(self) -> None:
        terminal = console()
        self._live = terminal.is_terminal
        self._bars = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeLeft(),
            console=terminal,
            disable=not self._live,
        )
        self._tasks: dict[str, TaskID] = {}
        self._totals: dict[str, int] = {}
        self._done: dict[str, dict[str, int]] = {}
        self._said: dict[str, float] = {}
        self._started: dict[str, float] = {}
        self._reused: dict[str, int] = {}

    def __enter__(self) -> "ProgressView":  # noqa: PYI034  # Self confuses beartype, which decorates methods in tests
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def plan(self, nodes: Sequence[Step]) -> None:
        """Set up a bar for each stage."""
        for node in nodes:
            self._totals[node.stage] = self._totals.get(node.stage, 0) + node.weight
        for stage, total in self._totals.items():
            self._done[stage] = {}
            self._tasks[stage] = self._bars.add_task(WORDS[stage], total=total, start=False)

    def update(self, node: Step, done: int, *, reused: bool) -> None:
        """Take notice that a node has done so many of its units."""
        stage = node.stage
        now = time.monotonic()
        self._done[stage][node.key] = max(done, self._done[stage].get(node.key, 0))
        total = sum(self._done[stage].values())
        if reused:
            self._reused[stage] = self._reused.get(stage, 0) + done
        elif stage not in self._started:
            self._started[stage] = now
            self._bars.start_task(self._tasks[stage])
        self._bars.update(self._tasks[stage], completed=total)
        if not self._live:
            self._line(stage, total, now)

    def _line(self, stage: str, done: int, now: float) -> None:
        complete = done >= self._totals[stage]
        if not complete and now - self._said.get(stage, self._started.get(stage, now)) < LINE_EVERY_S:
            return
        self._said[stage] = now
        seconds = now - self._started.get(stage, now)
        fresh = done - self._reused.get(stage, 0)
        left = "" if complete or not fresh else f", {(self._totals[stage] - done) * seconds / fresh:.0f} s left"
        kept = f", {self._reused[stage]} kept from before" if complete and self._reused.get(stage) else ""
        click.echo(f"  {WORDS[stage]}: {done} of {self._totals[stage]}, {seconds:.0f} s{left}{kept}")
