"""The worker processes of one machine: how many, how they begin, how they end."""

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from functools import partial
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

import torch

from pnetkit.networks import choose_device
from pnetkit.process_memory import keep_freed_memory
from pnetkit.processors import usable_processors

THREADS = 1
"""CPU threads of a worker: with one, results do not depend on the number of cores, and workers scale."""


def default_workers(device: str) -> int:
    """Give one worker for each processor that this process may use on a CPU, one in all on an accelerator."""
    return usable_processors() if choose_device(device) == "cpu" else 1


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
