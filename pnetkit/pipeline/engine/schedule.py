"""Run nodes on anything with the interface of `concurrent.futures.Executor`, each after what it builds on."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field

from pnetkit.pipeline.engine.failure import Failure, failure_of
from pnetkit.pipeline.engine.order import Order
from pnetkit.pipeline.engine.task import Attempted, attempt
from pnetkit.pipeline.engine.workers import Death, WorkerDiedError
from pnetkit.pipeline.stages.context import Context
from pnetkit.store.node import Node
from pnetkit.store.store import Store

POLL_S = 0.5
"""Seconds between two looks at how far running trainings are."""

MOST_IN_FLIGHT = 256
"""Tasks handed to the executor at a time: more than any machine has workers, few enough to be looked through."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Say how far a node is: `done` of `node.weight` units, reused from the store or made anew, or why it failed."""

    node: Node
    done: int
    reused: bool = False
    error: str | None = None


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
    executor: Executor,
    context: Context,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Make every node's result that the store does not hold, several at a time.

    A node that fails takes those that build on it along; all others go on, and nothing that was made is lost. A node
    whose worker died is tried once more, alone, when nothing else is left to do: where memory ran out, it then has all
    of it. A node that another process is making is passed over and looked at again: any number of processes share one
    store's work. Time and memory grow with the number of nodes and of what they build on.
    """
    order, run = Order(nodes), _Run(executor, context, on_progress)
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
        if not run.running:
            time.sleep(POLL_S)  # all that is left is under way in other processes
        done, _ = wait(run.running, timeout=POLL_S, return_when=FIRST_COMPLETED)
        for future in done:
            run.take_in(future, order)
        run.tell_progress()


@dataclass(slots=True)
class _Run:
    """What goes on in one call of `run_nodes`."""

    executor: Executor
    context: Context
    on_progress: Callable[[Progress], None]
    running: dict[Future[Attempted], Node] = field(default_factory=dict)
    elsewhere: dict[str, float] = field(default_factory=dict)
    suspects: dict[str, Death] = field(default_factory=dict)
    tried_alone: set[str] = field(default_factory=set)
    failed: dict[str, Failure] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    told: float = 0.0

    def hand_in(self, order: Order) -> None:
        """Give the executor what can begin; nothing beside a node that is tried alone."""
        alone = any(node.key in self.tried_alone for node in self.running.values())
        while not alone and len(self.running) < MOST_IN_FLIGHT:
            node = order.next()
            if node is None or self._hand_in(node):
                return

    def look_elsewhere(self, order: Order) -> None:
        """Take in what other processes have made, and try again what they have left; each node once in a while."""
        now = time.monotonic()
        for key, looked in list(self.elsewhere.items()):
            if now - looked < POLL_S:
                continue
            node = order.by_key[key]
            if self.context.store.has(node.stage, key):
                del self.elsewhere[key]
                order.finish(key)
                self.on_progress(Progress(node, node.weight, reused=True))
            elif len(self.running) < MOST_IN_FLIGHT:
                del self.elsewhere[key]
                self._hand_in(node)  # the other process may have failed, or be gone

    def take_up_a_suspect(self, order: Order) -> bool:
        """Try a node again whose worker died, alone; tell whether there was one."""
        untried = next((key for key in self.suspects if key not in self.tried_alone), None)
        if untried is None:
            return False
        self.tried_alone.add(untried)
        self._hand_in(order.by_key[untried])
        return True

    def take_in(self, future: Future[Attempted], order: Order) -> None:
        """Note how a task ended."""
        node = self.running.pop(future)
        failure = self._failure_of(future, node)
        if failure is not None:
            self.failed[node.key] = failure
            order.fail(node.key)
            self.on_progress(Progress(node, 0, error=failure.reason))
        elif future.exception() is None and future.result().is_elsewhere:
            self.elsewhere[node.key] = time.monotonic()
        elif future.exception() is None:
            order.finish(node.key)
            was_made = future.result().was_made
            if was_made:
                self.made.add(node.key)
            self.on_progress(Progress(node, node.weight, reused=not was_made))

    def tell_progress(self) -> None:
        """Say how far trainings are, where the last look is some time ago."""
        now = time.monotonic()
        if now - self.told >= POLL_S:
            self.told = now
            _tell_progress(self.running.values(), self.context.store, self.on_progress)

    def _hand_in(self, node: Node) -> bool:
        """Hand a node to the executor; tell whether that has done it already, in this process."""
        try:
            future = self.executor.submit(attempt, node, self.context)
        except RuntimeError as error:  # it takes nothing any more
            future = Future()
            future.set_exception(error)
        self.running[future] = node
        return future.done()

    def _failure_of(self, future: Future[Attempted], node: Node) -> Failure | None:
        """Give why a task failed; None where it did not, or where it is to be tried again."""
        error = future.exception()
        if error is None:
            return future.result().failure
        if not isinstance(error, WorkerDiedError):
            return failure_of(error)
        if node.key not in self.suspects:
            self.suspects[node.key] = error.death
            return None
        return Failure(_died_twice(error.death), error.death.last_words or None)


def _died_twice(death: Death) -> str:
    return (
        f"the worker process that was to make it died twice, the second time with nothing running beside it: it "
        f"{death.how}. Where memory ran out, choose a smaller inference.batch_size, inference.window_size or "
        f"training.batch_size; else report it, and what `pnetkit doctor` says."
    )


def _tell_progress(running: Iterable[Node], store: Store, on_progress: Callable[[Progress], None]) -> None:
    for node in running:
        if node.weight > 1:
            on_progress(Progress(node, int(store.progress(node.stage, node.key).get("done", 0))))
