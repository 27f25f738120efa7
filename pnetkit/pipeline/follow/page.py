"""Write the page of a run again and again while it goes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pnetkit.errors import counted
from pnetkit.files import write_atomically
from pnetkit.pipeline.engine.schedule import Progress
from pnetkit.pipeline.follow.counts import WORDS, Counts, StageCount
from pnetkit.pipeline.follow.follower import BROKEN, DONE, INTERRUPTED, Follower
from pnetkit.pipeline.follow.losses import Losses, Watches
from pnetkit.pipeline.stages import train
from pnetkit.report.page.live import Live, LiveStage, LiveTraining, live_page
from pnetkit.store.node import Node
from pnetkit.store.store import Store
from pnetkit.training.watch import Watched

LIVE = "live.html"
"""The page in a run's folder."""

WRITE_EVERY_S = 2.0
"""Seconds between two pages, at least."""

MOST_POINTS = 200
"""Points of a training's curve on the page."""

MOST_FAILURES = 20
"""Failures that are told one by one."""

STATES = {"": "goes on", DONE: "is done", INTERRUPTED: "was interrupted", BROKEN: "ended by an error"}


@dataclass(slots=True)
class _Training:
    """What is known of one training."""

    node: Node
    done: int = 0
    state: str = "waits"
    losses: list[tuple[int, float]] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)


@dataclass(slots=True)
class _Seen:
    """What is known of a run."""

    counts: Counts
    losses: Losses
    watches: Watches
    report: str
    folder: Path | None = None
    began: float = 0.0
    written: float = float("-inf")
    trainings: dict[str, _Training] = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)

    def take(self, told: Progress) -> None:
        """Take notice of one node's progress."""
        node, training = told.node, self.trainings.get(told.node.key)
        self.counts.take(node, told.done, reused=told.reused)
        if told.error is not None:
            self.failed.append((f"{node.stage} of {node.subject.label}", told.error))
        if training is not None:
            training.done = max(training.done, told.done)
            training.losses += self.losses.new(told)
            training.watched += self.watches.new(told)
            training.state = _state(told)

    def page(self, now: float, how: str) -> Live:
        """Give the page at this moment; `how` the run ended, empty where it goes on."""
        stages = self.counts.stages
        units = sum(of.total for of in stages.values()), sum(of.done for of in stages.values())
        complete = sum(of.is_complete for of in stages.values())
        folder = self.folder or Path()
        has_report = how == DONE and self.report != "" and (folder / self.report).is_file()
        return Live(
            title=folder.name,
            state=STATES[how],
            goes_on=not how,
            moment=time.strftime("%Y-%m-%d %H:%M:%S"),
            summary=(
                ("Stages done", f"{complete} of {len(stages)}", ""),
                ("Work done", f"{units[1] / max(units[0], 1):.0%}", "counted in steps of all stages"),
                ("Took", in_words(now - self.began), ""),
                ("Left", *_left(stages, now)),
            ),
            stages=tuple(
                LiveStage(WORDS[name], of.done, of.total, in_words(of.seconds(now)), in_words(of.left_s(now)))
                for name, of in stages.items()
            ),
            trainings=tuple(
                LiveTraining(
                    of.node.subject.input,
                    of.node.subject.label.removeprefix(of.node.subject.input).strip(),
                    of.done,
                    of.node.weight,
                    of.state,
                    thinned(of.losses),
                    thinned([(seen.iteration, seen.mean_dice) for seen in of.watched if seen.mean_dice is not None]),
                )
                for of in self.trainings.values()
            ),
            failed=tuple(self.failed[:MOST_FAILURES]),
            links=((self.report, "The report of this run"),) if has_report else (),
        )


def page_follower(store: Path, *, report: str, clock: Callable[[], float] = time.monotonic) -> Follower:
    """Give a follower that keeps a page in the run's folder; `report` is the file there that its end leads to."""
    seen = _Seen(Counts(clock), Losses(Store(store)), Watches(Store(store)), report)

    def opened(folder: Path) -> None:
        seen.folder, seen.began = folder, clock()

    def planned(nodes: Sequence[Node]) -> None:
        seen.counts.plan(nodes)
        seen.trainings = {node.key: _Training(node) for node in nodes if node.stage == train.STAGE.name}
        write("")

    def progress(told: Progress) -> None:
        seen.take(told)
        idle()

    def idle() -> None:
        if clock() - seen.written >= WRITE_EVERY_S:
            write("")

    def write(how: str) -> None:
        if seen.folder is not None:
            write_atomically(seen.folder / LIVE, live_page(seen.page(clock(), how)))
            seen.written = clock()

    return Follower("The live page", opened, planned, progress, idle, write)


def thinned(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """Give no more than so many of some points, evenly chosen, the last one among them."""
    step = -(-len(points) // most) if points else 1
    return list(points[::-1][::step][::-1])


def in_words(seconds: float | None) -> str:
    """Give a time as people say it; nothing where there is none."""
    if not seconds:
        return ""
    if seconds < 120:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004


def _state(told: Progress) -> str:
    if told.error is not None:
        return "failed"
    if told.done < told.node.weight:
        return "trains" if told.done else "begins"
    return "kept from before" if told.reused else "done"


def _left(stages: dict[str, StageCount], now: float) -> tuple[str, str]:
    """Give the longest time that a stage has left, and what is not in it."""
    known = {name: left for name, of in stages.items() if (left := of.left_s(now)) is not None}
    if not known:
        return "", "" if all(of.is_complete for of in stages.values()) else "not known yet"
    longest = max(known, key=lambda name: known[name])
    waiting = sum(not of.is_complete and name not in known for name, of in stages.items())
    return f"{in_words(known[longest])}", f"for {WORDS[longest]}" + (
        f"; {counted(waiting, 'stage')} not in it" if waiting else ""
    )
