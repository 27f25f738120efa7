"""Show how far a run is: bars with the time left on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Sequence
from types import TracebackType

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeft

from pnetkit.cli.console import console
from pnetkit.pipeline.follow.counts import WORDS, Counts, StageCount, Step

LINE_EVERY_S = 30.0
"""Seconds between two lines about the same stage where there is no terminal."""


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
        self._counts = Counts()
        self._said: dict[str, float] = {}
        self._losses: dict[str, float] = {}

    def __enter__(self) -> "ProgressView":  # noqa: PYI034  # Self confuses beartype, which decorates methods in tests
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def plan(self, nodes: Sequence[Step]) -> None:
        """Set up a bar for each stage."""
        self._counts.plan(nodes)
        for stage, count in self._counts.stages.items():
            self._tasks[stage] = self._bars.add_task(WORDS[stage], total=count.total, start=False)

    def update(self, node: Step, done: int, *, reused: bool, loss: float | None = None) -> None:
        """Take notice that a node has done so many of its units, and what a training's loss is."""
        stage, now = node.stage, time.monotonic()
        begun = self._counts.stages[stage].started is not None
        count = self._counts.take(node, done, reused=reused)
        if count.started is not None and not begun:
            self._bars.start_task(self._tasks[stage])
        if loss is not None:
            self._losses[node.key] = loss
        elif done >= node.weight:
            self._losses.pop(node.key, None)
        self._bars.update(self._tasks[stage], completed=count.done)
        if not self._live:
            self._line(stage, count, now)

    def _line(self, stage: str, count: StageCount, now: float) -> None:
        since = self._said.get(stage, now if count.started is None else count.started)
        if not count.is_complete and now - since < LINE_EVERY_S:
            return
        self._said[stage] = now
        left_s = count.left_s(now)
        left = "" if left_s is None else f", {left_s:.0f} s left"
        kept = f", {count.reused} kept from before" if count.is_complete and count.reused else ""
        losses = list(self._losses.values()) if stage == "train" and not count.is_complete else []
        loss = f", loss {sum(losses) / len(losses):.3g}" if losses else ""
        click.echo(f"  {WORDS[stage]}: {count.done} of {count.total}, {count.seconds(now):.0f} s{left}{loss}{kept}")
