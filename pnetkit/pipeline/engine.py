"""Run nodes on anything with the interface of `concurrent.futures.Executor`, each after what it builds on."""

import multiprocessing
import os
import platform
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from pnetkit import cuda
from pnetkit.errors import PnetkitError
from pnetkit.pipeline.allocator import give_back_freed_memory, keep_freed_memory
from pnetkit.pipeline.code_change import made_with
from pnetkit.pipeline.context import Context
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.provenance import peak_memory_mib, restart_peak_memory, versions
from pnetkit.pipeline.stages import TASKS
from pnetkit.pipeline.store import Store

ON_DEVICE = frozenset({"train", "segment", "features", "fit"})
"""The stages that compute on the device; the others never begin CUDA in their process."""

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


class SerialExecutor(Executor):
    """Runs every task at once, in this process: for tests, debugging, and `--workers 0`."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a task now and give a future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # an executor hands every error to whoever asks for the result
            future.set_exception(error)
        return future


class WorkerPool:
    """Give an executor of worker processes, and stop them at once when its block is left by an error."""

    def __init__(self, workers: int, *, threads: int) -> None:
        self._workers, self._threads = workers, threads

    def __enter__(self) -> Executor:
        start = partial(start_worker, self._threads)
        if self._workers == 0:
            start()
            self._executor: Executor = SerialExecutor()
        else:
            # spawn: a forked child of a process that has used torch's thread pool can hang
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(self._workers, mp_context=context, initializer=start)
        return self._executor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for child in multiprocessing.active_children():
                child.terminate()
        self._executor.shutdown(wait=error is None, cancel_futures=True)


def start_worker(threads: int) -> None:
    """Set a worker up: its number of threads is fixed, because sums depend on it in their last bit.

    A worker ends with the process that started it, however that ends: it would train on for hours, and hold its locks.
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True, name="end-with-parent").start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)  # at once, as the parent did: what is half written is written anew


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
    waiting = {key: {k for k in node.inputs.values() if k in by_key} for key, node in by_key.items()}
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
                running[executor.submit(execute, by_key[key], context)] = key
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


def execute(node: Node, context: Context) -> bool:
    """Make one node's result in the store, in whatever process this is; tell whether it had to be made."""

    def make(folder: Path) -> dict[str, Any]:
        give_back_freed_memory()  # of whatever this worker made before, so that the peak is this node's own
        restart_peak_memory()
        started, before = time.perf_counter(), peak_memory_mib()
        if node.stage in ON_DEVICE:
            cuda.restart_peak(context.device)
            if context.gpu_bytes is not None:
                cuda.limit_memory(context.device, context.gpu_bytes)
        details = TASKS[node.stage](node, context, folder)
        return _record(node, context, details, time.perf_counter() - started, before)

    store: Store = context.store
    return store.produce(node.stage, node.key, make, keeps_partial=node.stage == "train")


def _record(
    node: Node, context: Context, details: Mapping[str, Any], seconds: float, peak_before_mib: float | None
) -> dict[str, Any]:
    return {
        "stage": node.stage,
        "key": node.key,
        "label": node.label,
        "identity": dict(node.identity),
        "inputs": dict(node.inputs),
        "files": {name: content for name, (_, content) in node.files.items()},
        "made_with": made_with(node.identity),
        "details": dict(details),
        "seconds": round(seconds, 3),
        "peak_mib": peak_memory_mib(),
        "peak_before_mib": peak_before_mib,  # where a peak cannot begin anew, only what raised it made it
        "gpu_peak_mib": cuda.peak_mib(context.device) if node.stage in ON_DEVICE else None,
        "device": context.device,
        "threads": context.threads,
        "machine": platform.machine(),
        "versions": versions(),
    }


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
        return Failure("a worker process died; most likely memory ran out. Run again with fewer --workers.")
    if isinstance(error, torch.OutOfMemoryError):
        return Failure(
            f"the GPU's memory ran out ({str(error).partition('. ')[0]}). Run again with more --vram, fewer --workers, "
            "a larger training.accumulation or a smaller inference.window_size."
        )
    if isinstance(error, MemoryError):
        return Failure("memory ran out. Run again with fewer --workers or a smaller inference.batch_size.")
    return Failure(f"{type(error).__name__}: {error} (unexpected)", "".join(traceback.format_exception(error)))
