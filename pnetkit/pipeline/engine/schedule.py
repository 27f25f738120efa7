"""Run nodes on anything with the interface of `concurrent.futures.Executor`, each after what it builds on."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import torch

from pnetkit.errors import PnetkitError
from pnetkit.pipeline.engine.task import execute
from pnetkit.pipeline.stages.context import Context
from pnetkit.store.node import Node
from pnetkit.store.store import Store

POLL_S = 0.5
"""Seconds between two looks at how far running trainings are."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Say how far a node is: `done` of `node.weight` units, reused from the store or made anew, or why it failed."""

    node: Node
    done: int
    reused: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Say why a node failed: one line for people, and the traceback when it is a bug rather than a bad input."""

    reason: str
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Say which nodes failed, and why; which were not tried because of that; and which were made in this call."""

    failed: Mapping[str, Failure]
    skipped: frozenset[str]
    made: frozenset[str]


def run_nodes(
    nodes: Sequence[Node],
    executor: Executor,
    context: Context,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Make every node's result that the store does not hold, several at a time.

    A node that fails takes those that build on it along; all others go on, and nothing that was made is lost.
    """
    store = context.store
    by_key = {node.key: node for node in nodes}
    waiting = {key: node.needs & by_key.keys() for key, node in by_key.items()}
    failed: dict[str, Failure] = {}
    made: set[str] = set()
    skipped: set[str] = set()
    finished: set[str] = set()
    for key, node in by_key.items():
        if store.has(node.stage, key):
            finished.add(key)
            on_progress(Progress(node, node.weight, reused=True))
    running: dict[Future[bool], str] = {}
    submitted: set[str] = set()
    while True:
        for key, needs in waiting.items():
            if key in finished or key in submitted or key in skipped:
                continue
            if needs & (failed.keys() | skipped):
                skipped.add(key)
            elif needs <= finished:
                submitted.add(key)
                running[_submitted(executor, by_key[key], context)] = key
        if not running:
            return Outcome(failed, frozenset(skipped), frozenset(made))
        done, _ = wait(running, timeout=POLL_S, return_when=FIRST_COMPLETED)
        for future in done:
            key = running.pop(future)
            failure = _failure_of(future)
            if failure is None:
                finished.add(key)
                made.add(key)
                on_progress(Progress(by_key[key], by_key[key].weight))
            else:
                failed[key] = failure
                on_progress(Progress(by_key[key], 0, error=failure.reason))
        _tell_progress([by_key[key] for key in running.values()], store, on_progress)


def _submitted(executor: Executor, node: Node, context: Context) -> Future[bool]:
    """Hand a node to the executor; one that lost a worker takes nothing more, and says so of the node too."""
    try:
        return executor.submit(execute, node, context)
    except BrokenProcessPool as error:
        refused: Future[bool] = Future()
        refused.set_exception(error)
        return refused


def _tell_progress(running: Sequence[Node], store: Store, on_progress: Callable[[Progress], None]) -> None:
    for node in running:
        if node.weight > 1:
            on_progress(Progress(node, int(store.progress(node.stage, node.key).get("done", 0))))


def _failure_of(future: Future[bool]) -> Failure | None:
    error = future.exception()
    if error is None:
        return None
    if isinstance(error, PnetkitError):
        return Failure(str(error))
    if isinstance(error, BrokenProcessPool):
        return Failure(
            "a worker process died, and with it what was to be made; most likely memory ran out. Run again with fewer "
            "--workers."
        )
    if isinstance(error, torch.OutOfMemoryError):
        return Failure(
            f"the GPU's memory ran out ({str(error).partition('. ')[0]}). Run again with more --vram, fewer --workers, "
            "a larger training.accumulation or a smaller inference.window_size."
        )
    if isinstance(error, MemoryError):
        return Failure("memory ran out. Run again with fewer --workers or a smaller inference.batch_size.")
    return Failure(f"{type(error).__name__}: {error} (unexpected)", "".join(traceback.format_exception(error)))
