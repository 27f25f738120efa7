"""Screen what waits: each worker has a process that holds the model warm, and one study at a time.

A study that takes too long or too much memory is ended with its process, and a process that dies costs its own study;
the next one begins in a new process.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, Pipe
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from pnetkit.children import forks_of_a_server, how_it_ended
from pnetkit.errors import ModelError
from pnetkit.serve.child import Opener, Task, serve_tasks, task_to_json
from pnetkit.serve.log import LOG, alarm, kind_and_place, study_says
from pnetkit.serve.queue import Queue
from pnetkit.serve.values import Failure, Finding, Job, Outcome, outcome_from_json

POLL_S, MOST_DEATHS, AGAIN_AFTER_S = 0.2, 2, 60.0

MOST_SERVICE_ENDS = 10
"""At a study at which the whole service has ended so often, it does not begin again: the study may be why."""

Refuser = Callable[[Task, str], Sequence[str]]
"""Writes into a task's `out` what says that there is no finding, and why; gives the names of the files."""


def no_files(task: Task, reason: str) -> Sequence[str]:
    """Write nothing: for services whose clients ask for the outcome."""
    del task, reason
    return ()


@dataclass(frozen=True, slots=True)
class Work:
    """Say how studies are screened: by what, how many at once, and within which bounds each of them.

    `ram_bytes` is what one process may hold. `refuse` is asked where a process was ended, `send_to` as in
    `Queue.finish`. `imported` is the module that processes begin with, so that they begin soon.
    """

    opener: Opener
    at_once: int = 1
    time_limit_s: float = 1800
    ram_bytes: int | None = None
    refuse: Refuser = no_files
    send_to: Sequence[str] | None = None
    imported: str = "pnetkit.serve.child"


class Workers:
    """The workers of a service, which begin with `start` and end with `stop`."""

    def __init__(self, queue: Queue, work: Work) -> None:
        self._queue, self._work = queue, work
        self._context = forks_of_a_server(work.imported)
        self._ending = threading.Event()
        self._ready: dict[int, bool] = {}
        self._threads: list[threading.Thread] = []

    @property
    def ready(self) -> int:
        """Count the workers whose model is loaded."""
        return sum(self._ready.values())

    def start(self) -> None:
        """Load the models, and begin to work. Raises ModelError where one cannot be loaded."""
        started = time.perf_counter()
        children = [_start(self._context, self._work.opener) for _ in range(self._work.at_once)]
        try:
            for child in children:
                _require_ready(child)
        except ModelError:
            for child in children:
                child.end()
            raise
        LOG.info("ready: %d at once, %.1f s to load", self._work.at_once, time.perf_counter() - started)
        for number, child in enumerate(children):
            self._ready[number] = True
            thread = threading.Thread(target=self._work_on, args=(number, child), name=f"worker-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End; what runs is begun again when a service begins."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _work_on(self, number: int, child: "_Child | None") -> None:
        """Take job after job, in a process that is replaced when it ends."""
        job: Job | None = None  # one whose end could not be noted, after an error: nobody else takes it up
        while not self._ending.is_set():
            try:
                if job is not None:
                    self._queue.put_back(job, after_s=AGAIN_AFTER_S)
                    job = None
                if child is None or not child.process.is_alive():
                    self._ready[number] = False
                    child = _start(self._context, self._work.opener)
                    _require_ready(child)
                    self._ready[number] = True
                job = self._queue.claim()
                if job is None:
                    self._ending.wait(POLL_S)
                    continue
                self._do(job, child)
                job = None
            except ModelError as error:
                LOG.error("ALARM the model cannot be loaded any more: %s", error)
                self._ending.wait(AGAIN_AFTER_S)
            except Exception as error:  # noqa: BLE001  # a full disk, for example: the service goes on
                LOG.error("ALARM a worker met an error: %s", kind_and_place(error))
                self._ending.wait(POLL_S * 10)
        if child is not None:
            child.end()

    def _do(self, job: Job, child: "_Child") -> None:
        """See a job through in a process, to its outcome or back into the queue."""
        places = self._queue.places
        out = places.work(job.number, job.lease)
        try:
            out.mkdir(mode=0o700, exist_ok=True)
        except OSError:
            self._queue.put_back(job, after_s=AGAIN_AFTER_S)
            raise
        earlier = None if job.earlier is None else places.results(job.earlier)
        task, started = Task(job.number, places.study(job.number), out, earlier), time.monotonic()
        study_says(job.number, f"begun, {job.images} files")
        if job.service_ends < MOST_SERVICE_ENDS:
            said = self._watched(job, child, task, started)
        else:
            said = {"ended": f"the service ended {job.service_ends} times while this study was being screened"}
        took = f"{time.monotonic() - started:.1f} s"
        if "later" in said:
            LOG.error("ALARM study %d: results cannot be written (%s); trying again", job.number, said["later"])
            self._queue.put_back(job, after_s=AGAIN_AFTER_S)
        elif "unwanted" in said:
            self._queue.put_back(job)
        elif "died" in said and job.deaths + 1 < MOST_DEATHS:
            study_says(job.number, f"its process {said['died']}; once more")
            self._queue.put_back(job, died=True)
        else:
            if "died" in said:
                said["ended"] = f"the process that screened it {said['died']}, more than once"
            outcome = Failure(said["ended"]) if "ended" in said else outcome_from_json(said["outcome"])
            self._finish(job, self._refusing(task, outcome or Failure("its process gave no outcome")), took)

    def _watched(self, job: Job, child: "_Child", task: Task, started: float) -> dict[str, Any]:
        """Give what came of a task: an outcome, or why there is none."""
        limit_s, ram = self._work.time_limit_s, self._work.ram_bytes
        try:
            child.connection.send_bytes(task_to_json(task))
            while not child.connection.poll(POLL_S):
                if time.monotonic() - started > limit_s:
                    child.end()
                    return {"ended": f"screening took longer than the limit of {limit_s:g} s and was ended"}
                held = resident_bytes(child.process.pid)
                if ram is not None and held is not None and held > ram:
                    child.end()
                    return {"ended": f"screening took more memory than the limit of {ram / 1e9:.3g} GB and was ended"}
                if self._ending.is_set() or not self._queue.is_ours(job):
                    child.end()
                    return {"unwanted": True}
            said: dict[str, Any] = json.loads(child.connection.recv_bytes())
        except (EOFError, OSError):
            child.process.join(5)
            return {"died": how_it_ended(child.process.exitcode or 0)}
        except BaseException:
            child.end()  # or its answer would be taken for that of the next study
            raise
        return said

    def _refusing(self, task: Task, outcome: Outcome) -> Outcome:
        """Give an outcome whose refusal is written, where it is none of its process: what that had begun is deleted."""
        if isinstance(outcome, Finding) or outcome.files:
            return outcome
        for left in sorted(task.out.rglob("*"), reverse=True):
            if left.is_dir():
                left.rmdir()
            else:
                left.unlink()
        try:
            return replace(outcome, files=tuple(self._work.refuse(task, outcome.reason)))
        except Exception as error:  # noqa: BLE001  # headers hold anything; then it is given up, with an alarm
            LOG.error("study %d: no refusal can be written: %s", task.number, kind_and_place(error))
            return outcome

    def _finish(self, job: Job, outcome: Outcome, took: str) -> None:
        if not self._queue.finish(job, outcome, send_to=self._work.send_to):
            study_says(job.number, "more of it came meanwhile; begun again later")
            return
        kind = "finding" if isinstance(outcome, Finding) else type(outcome).__name__.lower()
        study_says(job.number, f"{kind} after {took}")
        if isinstance(outcome, Failure):
            alarm(job.number, "could not be screened; its outcome says why")
        done = self._queue.get(job.number)
        if done is not None and done.state == "given up":
            alarm(job.number, "given up: there is nothing to be sent, or nowhere to send it")


@dataclass(frozen=True, slots=True)
class _Child:
    """A process with a model, and the way to talk to it."""

    process: BaseProcess
    connection: Connection

    def end(self) -> None:
        """End it at once, whatever it does."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def _start(context: BaseContext, opener: Opener) -> _Child:
    ours, theirs = Pipe()
    process = context.Process(target=serve_tasks, args=(opener, theirs), daemon=True)  # type: ignore[attr-defined]
    process.start()
    theirs.close()
    return _Child(process, ours)


def _require_ready(child: _Child) -> None:
    """Wait until a process has loaded its model. Raises ModelError where it cannot."""
    try:
        said = json.loads(child.connection.recv_bytes())
    except (EOFError, OSError):
        child.process.join(5)
        raise ModelError(f"The process that loads the model {how_it_ended(child.process.exitcode or 0)}.") from None
    if "broken" in said:
        child.end()
        raise ModelError(said["broken"])


def resident_bytes(pid: int | None) -> int | None:
    """Give how much memory a process holds; None where the system, no Linux, does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
