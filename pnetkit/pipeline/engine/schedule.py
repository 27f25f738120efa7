"""Run nodes in lanes, or on one executor (`concurrent.futures`), each after what it builds on."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from pnetkit.pipeline.engine.failure import Failure, failure_of
from pnetkit.pipeline.engine.lanes import Lanes, OneLane
from pnetkit.pipeline.engine.order import Order
from pnetkit.pipeline.engine.task import Attempted, attempt, in_order
from pnetkit.pipeline.engine.workers import Death, WorkerDiedError
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.needs import Needs
from pnetkit.pipeline.stages.table import STAGES
from pnetkit.store.node import Node
from pnetkit.store.store import Store

POLL_S = 0.5
"""Seconds between two looks at how far running trainings are."""


LONGEST_S = 5.0
"""The most seconds between two tries of what another process is making: of a hundred processes each has ninety-nine
such nodes. Results are looked for more often, which costs a disk on a network less."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Say how far a node is: `done` of `node.weight` units, reused from the store or made anew, or why it failed.

    `loss` is the last that a training under way has told, `watched` what it last saw of the cases that it holds back,
    as plain data.
    """

    node: Node
    done: int
    reused: bool = False
    error: str | None = None
    loss: float | None = None
    watched: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Say which nodes failed, and why; which were not tried because of that; which this call made, which were there.

    What is none of these another process made meanwhile.
    """

    failed: Mapping[str, Failure]
    skipped: frozenset[str]
    made: frozenset[str]
    before: frozenset[str] = frozenset()

    def by_others(self, nodes: Iterable[Node]) -> list[Node]:
        """Give those of the nodes that other processes made meanwhile."""
        known = {*self.failed, *self.skipped, *self.made, *self.before}
        return [node for node in nodes if node.key not in known]


def run_nodes(
    nodes: Sequence[Node],
    lanes: Lanes | Executor,
    context: Context,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Make every node's result that the store does not hold, several at a time; an executor is one lane for all.

    A node that fails takes those that build on it along; all others go on, and nothing that was made is lost. A node
    at which its worker died is tried once more, alone, when nothing else is left to do: where memory ran out, it then
    has all of it. A node that another process is making is passed over and looked at again: any number of processes
    share one store's work. Time and memory grow with the number of nodes and of what they build on.
    """
    order = Order(
        nodes, queue_of=lambda node: _needs(node).is_for_gpu, is_small=lambda node: STAGES[node.stage].is_small
    )
    run = _Run(OneLane(lanes) if isinstance(lanes, Executor) else lanes, context, on_progress)
    before = set()
    for node in order.nodes:
        if context.store.has(node.stage, node.key):
            before.add(node.key)
            order.finish(node.key)
            on_progress(Progress(node, node.weight, reused=True))
    while True:
        run.look_elsewhere(order)  # first: what others have made lets more begin
        run.hand_in(order)
        if not run.running and not run.elsewhere and not run.take_up_a_suspect(order):
            order.require_all_settled()
            return Outcome(run.failed, order.skipped, frozenset(run.made), frozenset(before))
        for future in run.next_ended():
            run.take_in(future, order)
        run.tell_progress()


@dataclass(frozen=True, slots=True)
class _Passed:
    """When a node that another process is making was tried, and when its result was looked for."""

    tried: float
    looked: float


@dataclass(slots=True)
class _Run:
    """What goes on in one call of `run_nodes`."""

    lanes: Lanes
    context: Context
    on_progress: Callable[[Progress], None]
    running: dict[Future[dict[str, Attempted]], tuple[Node, ...]] = field(default_factory=dict)
    elsewhere: dict[str, _Passed] = field(default_factory=dict)
    waits: dict[str, float] = field(default_factory=dict)
    suspects: dict[str, Death] = field(default_factory=dict)
    tried_alone: set[str] = field(default_factory=set)
    failed: dict[str, Failure] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    ended: SimpleQueue[Future[dict[str, Attempted]]] = field(default_factory=SimpleQueue)
    told: float = 0.0

    def hand_in(self, order: Order) -> None:
        """Give the lanes what can begin and has room; nothing beside a node that is tried alone."""
        if any(node.key in self.tried_alone for nodes in self.running.values() for node in nodes):
            return
        while nodes := order.next(self._has_room):
            if self._hand_in(nodes):
                return

    def look_elsewhere(self, order: Order) -> None:
        """Take in what other processes have made, and try again what they have left; each node less and less often."""
        now = time.monotonic()
        for key, passed in list(self.elsewhere.items()):
            if now - passed.looked < POLL_S:
                continue
            node = order.by_key[key]
            if self.context.store.has(node.stage, key):
                del self.elsewhere[key]
                order.finish(key)
                self.on_progress(Progress(node, node.weight, reused=True))
            elif now - passed.tried < self.waits[key] or not self._has_room(node):
                self.elsewhere[key] = _Passed(passed.tried, now)
            elif self.context.store.is_being_made(
                node.stage, key
            ):  # looked at from here: no worker knows another's looks
                self._pass_over(node)
            else:
                del self.elsewhere[key]
                self._hand_in((node,))  # the other process has failed, or is gone

    def _pass_over(self, node: Node) -> None:
        """Note that another process is making a node, which is tried again after twice the time of the last time."""
        now = time.monotonic()
        self.elsewhere[node.key] = _Passed(now, now)
        self.waits[node.key] = min(2 * self.waits[node.key], LONGEST_S) if node.key in self.waits else POLL_S

    def take_up_a_suspect(self, order: Order) -> bool:
        """Try a node again whose worker died, alone; tell whether there was one."""
        untried = next((key for key in self.suspects if key not in self.tried_alone), None)
        if untried is None:
            return False
        self.tried_alone.add(untried)
        self._hand_in((order.by_key[untried],))
        return True

    def next_ended(self) -> Iterator[Future[dict[str, Attempted]]]:
        """Wait a moment for a task to end, and give all that have; none where what is left is under way elsewhere."""
        with suppress(Empty):
            yield self.ended.get(timeout=POLL_S)
            while True:
                yield self.ended.get_nowait()

    def take_in(self, future: Future[dict[str, Attempted]], order: Order) -> None:
        """Note how a task's nodes ended, and give those back to the order that were not tried."""
        nodes = self.running.pop(future)
        ended = self._ended(future, nodes)
        for node in nodes:
            if node.key in ended:
                self._settle(node, ended[node.key], order)
        for node in nodes:
            if node.key not in ended and node.key not in self.suspects:
                order.give_back(node.key)

    def _settle(self, node: Node, ended: Attempted, order: Order) -> None:
        """Note how one node ended that was tried."""
        if ended.failure is not None:
            self.failed[node.key] = ended.failure
            order.fail(node.key)
            self.on_progress(Progress(node, 0, error=ended.failure.reason))
        elif ended.is_elsewhere:
            self._pass_over(node)
        else:
            order.finish(node.key)
            if ended.was_made:
                self.made.add(node.key)
            self.on_progress(Progress(node, node.weight, reused=not ended.was_made))

    def _ended(self, future: Future[dict[str, Attempted]], nodes: Sequence[Node]) -> dict[str, Attempted]:
        """Give by key how a task's nodes ended; where its worker died, the node that it died at becomes a suspect."""
        error = future.exception()
        if error is None:
            return future.result()
        if self.context.raises:
            raise error
        # what it made before is kept, and it was made here: it was not there when the task began
        made = {node.key: Attempted(True) for node in nodes if self.context.store.has(node.stage, node.key)}
        at = next((node for node in nodes if node.key not in made), None)
        if at is None:
            return made
        if not isinstance(error, WorkerDiedError):
            return made | {at.key: Attempted(False, failure_of(error))}
        if at.key not in self.suspects:
            self.suspects[at.key] = error.death
            return made
        return made | {at.key: Attempted(False, Failure(_died_twice(error.death), error.death.last_words or None))}

    def tell_progress(self) -> None:
        """Say how far trainings are, where the last look is some time ago."""
        now = time.monotonic()
        if now - self.told >= POLL_S:
            self.told = now
            running = [node for nodes in self.running.values() for node in nodes]
            _tell_progress(running, self.context.store, self.on_progress)

    def _has_room(self, node: Node) -> bool:
        return self.lanes.has_room(_needs(node))

    def _hand_in(self, nodes: tuple[Node, ...]) -> bool:
        """Hand nodes to a lane as one task; tell whether that has done it already, in this process."""
        work = partial(in_order, nodes, make=attempt)
        try:
            future = self.lanes.hand_in(work, self.context, _needs(nodes[0]))
        except RuntimeError as error:  # it takes nothing any more
            future = Future()
            future.set_exception(error)
        self.running[future] = nodes
        future.add_done_callback(self.ended.put)
        return future.done()


def _needs(node: Node) -> Needs:
    return STAGES[node.stage].needs


def _died_twice(death: Death) -> str:
    return (
        f"the worker process that was to make it died twice, the second time with nothing running beside it: it "
        f"{death.how}. Where memory ran out, choose a smaller inference.batch_size, inference.window_size or "
        f"training.batch_size; else report it, and what `pnetkit doctor` says."
    )


def _tell_progress(running: Iterable[Node], store: Store, on_progress: Callable[[Progress], None]) -> None:
    for node in running:
        if node.weight > 1:
            told = store.progress(node.stage, node.key)
            on_progress(Progress(node, int(told.get("done", 0)), loss=told.get("loss"), watched=told.get("watched")))
