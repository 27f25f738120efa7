"""Lanes of a Dask cluster: its workers make results on any number of machines, in the store that all of them have.

Through Dask go small values only, what is to be made and how that ended; results never do. When a worker dies, Dask
blames whatever waited on it too, and starts things several times. So what it says of deaths is not believed: a task's
mark tells whether it had begun (`dask_task.py`), and one that had is treated as a death on one machine is.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pnetkit import cuda
from pnetkit.errors import PluginError, RunError, counted
from pnetkit.extras import require_extra
from pnetkit.files import digest, disk_errors_in_words, read_json, write_first
from pnetkit.pipeline.engine.dask_task import Ended, Plugins, Seen, Task, carry_out, death_of, installed, look
from pnetkit.pipeline.engine.lanes import MOST_IN_FLIGHT, Work
from pnetkit.pipeline.engine.workers import WorkerDiedError
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.needs import Needs
from pnetkit.store.store import refresh

PREFIX = "dask:"
"""How an engine is called that is a Dask cluster: `dask://HOST:PORT`, or `dask:FILE` with its scheduler's file."""

ATTEMPTS = "attempts"
"""The folder of a store with the marks of tasks that Dask workers have begun."""

PATIENCE_S = 60
"""Seconds that a scheduler has to answer, and a first worker to come."""

MOST_BLAMED = 100
"""How often a task is handed in again whose workers died before they began it: for what other tasks did, mostly."""


@dataclass(slots=True)
class DaskLanes:
    """Hands tasks to a cluster, whose workers have one thread each; what needs a GPU goes to those that offer one.

    `client` is a `distributed.Client`, of which nothing is known where Dask is not installed; `size` counts the workers
    that there were at the start.
    """

    client: Any
    address: str
    plugins: Plugins = ()
    marks: Path | None = None
    size: int = 0
    running: set[Future[Any]] = field(default_factory=set)

    def has_room(self, needs: Needs) -> bool:
        """Tell whether few enough tasks are with the cluster, which has a queue of its own."""
        del needs
        if len(self.running) >= max(MOST_IN_FLIGHT, 2 * self.size):
            self.running = {future for future in self.running if not future.done()}
        return len(self.running) < max(MOST_IN_FLIGHT, 2 * self.size)

    def hand_in(self, work: Work, context: Context, needs: Needs) -> Future[Any]:
        """Give a task to the cluster; its future raises WorkerDiedError where the worker died that had it."""
        on_gpu = needs.is_for_gpu and cuda.is_gpu(context.device)
        if on_gpu:
            context = context.on("cuda:0", share=1, is_shared=False)  # a worker sees the GPU that it offers
        elif not needs.is_for_gpu:
            context = context.on("cpu", share=0, is_shared=False)
        told: Future[Any] = Future()
        told.set_running_or_notify_cancel()
        self._submit(work, context, told, on_gpu=on_gpu)
        self.running.add(told)
        return told

    def prepare(self, store_root: Path, plugins: Sequence[tuple[str, str]], *, device: str) -> list[str]:
        """Hold the cluster to what a run needs of it, and say in lines of what it consists.

        Raises:
            RunError: no worker comes, has the store, is of one thread, or offers the GPU that is needed.
            PluginError: a worker has other versions or plugins than this process.
        """
        try:
            self.client.wait_for_workers(1, timeout=PATIENCE_S)
        except TimeoutError as error:
            raise RunError(f"{self.address}: the Dask scheduler has no worker. Start some.") from error
        found: Mapping[str, Any] = self.client.scheduler_info(n_workers=-1)["workers"]
        most = max(of["nthreads"] for of in found.values())
        if most > 1:
            raise RunError(
                f"{self.address}: has workers of {most} threads. A stage computes on one thread, alone in its process: "
                f"its sums and its memory are its own. Start workers with --nthreads 1, more of them."
            )
        offering = sum(of["resources"].get("GPU", 0) >= 1 for of in found.values())
        if cuda.is_gpu(device) and not offering:
            raise RunError(
                f"{self.address}: no worker offers a GPU, and trainings would wait for one for ever. Start one "
                f"worker for each GPU with --resources 'GPU=1', or choose --device cpu."
            )
        self.close()  # of an earlier arm of a comparison
        self.plugins, self.marks = tuple(plugins), store_root / ATTEMPTS / secrets.token_hex(8)
        self.size = len(found)
        self._require_the_same(store_root)
        lines = [f"Dask: {counted(len(found), 'worker')} of {self.address}, {offering} with a GPU."]
        if offering and not cuda.is_gpu(device):
            lines.append(
                "Workers offer GPUs, and this machine has none, so networks run on processors. Start pnetkit where "
                "there is a GPU of their kind: the numbers of a network are fitted to it."
            )
        return lines

    def close(self) -> None:
        """Delete the marks of tasks that did not end."""
        if self.marks is not None:
            for mark in self.marks.glob("*.json"):
                mark.unlink(missing_ok=True)
            with suppress(OSError):  # somebody is writing one
                self.marks.rmdir()

    def _require_the_same(self, store_root: Path) -> None:
        """See that every worker has this store, and what is installed here."""
        assert self.marks is not None  # noqa: S101  # set a moment ago
        token = self.marks / "seen.json"
        with disk_errors_in_words(store_root):
            token.parent.mkdir(parents=True, exist_ok=True)
            write_first(token, b"{}")
        said: dict[str, Seen | Exception] = self.client.run(look, token, self.plugins, on_error="return")
        for address, worker in said.items():
            if isinstance(worker, Exception):
                raise PluginError(
                    f"The Dask worker at {address} cannot do what a run needs ({worker}). Install pnetkit."
                )
        workers = [worker for worker in said.values() if isinstance(worker, Seen)]
        blind = sorted({worker.host for worker in workers if not worker.sees})
        if blind:
            raise RunError(
                f"{store_root}: is not seen by the Dask workers on {', '.join(blind)}. The store has to lie on a file "
                f"system that all machines have, at the same path."
            )
        wanted = installed(self.plugins)
        for worker in workers:
            if worker.fault is not None:
                raise PluginError(f"The Dask worker on {worker.host} lacks what the run needs: {worker.fault}")
            differing = next((name for name in wanted if worker.installed.get(name) != wanted[name]), None)
            if differing is not None:
                raise PluginError(
                    f"The Dask worker on {worker.host} has another {differing} than this process (got "
                    f"{worker.installed.get(differing)}, wanted {wanted[differing]}), so results would differ. Install "
                    f"the same everywhere."
                )

    def _submit(
        self, work: Work, context: Context, told: Future[Any], *, on_gpu: bool, tries_left: int = MOST_BLAMED
    ) -> None:
        assert self.marks is not None  # noqa: S101  # prepare comes first
        name = f"pnetkit-{secrets.token_hex(8)}"
        task = Task(work, context, self.marks / f"{name}.json", self.plugins, digest(dict(installed(self.plugins))))
        try:
            future = self.client.submit(
                carry_out,
                task,
                key=name,
                pure=False,
                resources={"GPU": 1} if on_gpu else None,
                priority=1 if on_gpu else 0,  # a worker with a GPU takes nothing else while something waits for it
            )
        except Exception as error:  # noqa: BLE001  # the connection's, its closing's, and those of packing
            told.set_exception(RunError(f"{self.address}: the Dask scheduler takes no task any more ({error})."))
            return

        def again() -> None:
            if not tries_left:
                raise RunError(
                    f"workers died {MOST_BLAMED + 1} times before they began what they were given; look at Dask's log, "
                    f"at their memory limit, and whether they can import the recipe's plugins"
                )
            self._submit(work, context, told, on_gpu=on_gpu, tries_left=tries_left - 1)

        future.add_done_callback(lambda done: self._tell(done, told, task.mark, again))

    def _tell(self, done: Any, told: Future[Any], mark: Path, again: Callable[[], None]) -> None:
        """Say how a task ended; one that Dask gave up and that never began is handed in again."""
        try:
            ended = _ended(done, mark)
            if ended is None:
                again()
            elif ended.death is not None:
                told.set_exception(WorkerDiedError(ended.death))
            elif ended.fault is not None:
                told.set_exception(
                    RunError(f"{self.address}: {ended.fault}. Look after the cluster, and run the same command again.")
                )
            else:
                told.set_result(ended.given)
        except Exception as error:  # noqa: BLE001  # whoever waits for the task has to be told
            told.set_exception(RunError(f"{self.address}: {type(error).__name__}: {error}"))


def _ended(done: Any, mark: Path) -> Ended | None:
    """Give how a task ended by its future and its mark; None where Dask blames one that never began."""
    from distributed.scheduler import KilledWorker  # noqa: PLC0415  # an extra

    if done.status == "cancelled":
        return Ended(fault="the Dask scheduler is gone, or has cancelled what it was given")
    error = done.exception()
    if error is None:
        ended: Ended = done.result()
        return ended
    if not isinstance(error, KilledWorker):
        return Ended(fault=f"{type(error).__name__}: {error}")
    refresh(mark.parent)
    return Ended(death=death_of(read_json(mark))) if mark.is_file() else None


@contextmanager
def open_cluster(engine: str) -> Iterator[DaskLanes]:
    """Connect to the cluster that an engine names.

    Raises:
        MissingExtraError: Dask is not installed.
        RunError: the scheduler does not answer.
    """
    require_extra("dask", f"--engine {engine}")
    from distributed import Client  # noqa: PLC0415  # an extra

    said = engine.removeprefix(PREFIX)
    where = {"address": f"tcp:{said}"} if said.startswith("//") else {"scheduler_file": said}
    if "scheduler_file" in where and not Path(said).is_file():
        raise RunError(f"{said}: there is no such file. Give the one that dask scheduler --scheduler-file writes.")
    try:
        client = Client(**where, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise RunError(f"{engine}: no Dask scheduler answers ({error}). Start one, or mend the address.") from error
    lanes = DaskLanes(client, engine)
    try:
        yield lanes
    finally:
        lanes.close()
        with suppress(OSError, TimeoutError):  # of a scheduler that is gone nobody can take leave
            client.close(timeout=10)
