"""The worker processes of one machine: how many, how they begin, how they end."""

import faulthandler
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from pebble import ProcessExpired, ProcessPool

from pnetkit.children import end_with_parent, forks_of_a_server, how_it_ended
from pnetkit.errors import RunError
from pnetkit.process_memory import keep_freed_memory, killed_for_memory

THREADS = 1
"""CPU threads of a worker: with one, results do not depend on the number of cores, and workers scale."""


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


@dataclass(frozen=True, slots=True)
class Death:
    """Say how a worker ended in the middle of a task; as the exception of the task's future it carries no more."""

    how: str
    last_words: str = ""


class WorkerDiedError(Exception):
    """Tell that the process died in which a task ran: that task's own, and no other task is touched."""

    def __init__(self, death: Death) -> None:
        self.death = death
        super().__init__(death.how)

    def __reduce__(self) -> tuple[type["WorkerDiedError"], tuple[Death]]:
        """Travel between processes as what it was made of, which is not what `Exception` keeps."""
        return type(self), (self.death,)


class ProcessExecutor(Executor):
    """Runs tasks in processes, each of which costs its own task when it dies, and is followed by a new one."""

    def __init__(self, workers: int, *, threads: int) -> None:
        self._notes = tempfile.TemporaryDirectory(prefix="pnetkit-workers-")
        self._killed_before = killed_for_memory()
        self._pool = ProcessPool(
            workers, initializer=start_worker, initargs=(threads, self._notes.name), context=process_context()
        )

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand a task to the next worker that is free."""
        told: Future[Any] = Future()
        told.set_running_or_notify_cancel()
        self._pool.submit(fn, None, *args, **kwargs).add_done_callback(lambda done: self._tell(told, done))
        return told

    def map(self, fn: Callable[..., Any], *iterables: Any, **options: Any) -> Iterator[Any]:
        """Give the results in order. Raises RunError where a worker died: what it was to give is not there."""
        try:
            yield from super().map(fn, *iterables, **options)
        except WorkerDiedError as error:
            raise RunError(f"A worker process {error}. Run again with fewer --workers.") from error

    def stop(self) -> None:
        """End the workers, whatever they are at."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._end()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the workers end what they have begun."""
        del wait, cancel_futures  # nothing is left to wait for where nobody asks for results any more
        self._pool.close()  # type: ignore[no-untyped-call]
        self._end()

    def _end(self) -> None:
        self._pool.join()
        self._notes.cleanup()

    def _tell(self, told: Future[Any], done: Future[Any]) -> None:
        error = done.exception() if not done.cancelled() else RunError("The run was stopped.")
        if isinstance(error, ProcessExpired):
            told.set_exception(WorkerDiedError(self._death(error)))
        elif error is not None:
            told.set_exception(error)
        else:
            told.set_result(done.result())

    def _death(self, error: ProcessExpired) -> Death:
        """Put into words what is known: the signal, whether the system killed for memory, the worker's last lines."""
        how = how_it_ended(error.exitcode)
        if killed_for_memory() > self._killed_before:
            how += "; since this began the system has killed processes because memory ran out"
        note = Path(self._notes.name) / f"{error.pid}.txt"
        return Death(how, note.read_text(encoding="utf-8", errors="replace").strip() if note.is_file() else "")


def process_context() -> BaseContext:
    """Give the way in which workers begin: as forks of a server that has imported all they need."""
    return forks_of_a_server("pnetkit.pipeline.engine.task")


class WorkerPool:
    """Give an executor of worker processes, and stop them at once when its block is left by an error."""

    def __init__(self, workers: int, *, threads: int) -> None:
        self._workers, self._threads = workers, threads

    def __enter__(self) -> Executor:
        if self._workers == 0:
            start_worker(self._threads)
            self._executor: Executor = SerialExecutor()
        else:
            self._executor = ProcessExecutor(self._workers, threads=self._threads)
        return self._executor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and isinstance(self._executor, ProcessExecutor):
            self._executor.stop()
        else:
            self._executor.shutdown()


def start_worker(threads: int, notes: str | None = None) -> None:
    """Set a worker up: its number of threads is fixed, because sums depend on it in their last bit.

    A worker ends with the process that started it, however that ends: it would train on for hours, and hold its locks.
    One that crashes writes where it was into a file of the folder `notes`.
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    if notes is not None:
        descriptor = os.open(Path(notes) / f"{os.getpid()}.txt", os.O_WRONLY | os.O_CREAT, 0o600)
        faulthandler.enable(descriptor)  # needs the file open for as long as the process lives
    end_with_parent()
