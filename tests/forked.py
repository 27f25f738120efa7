"""Processes that tests start: forks of a server that has imported pnetkit once, as a run's workers are."""

import os
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from pnetkit.children import forks_of_a_server
from pnetkit.pipeline.engine.workers import start_worker

_WHERE = ("_forkserver_address", "_forkserver_authkey")
"""What a process has to know of a server to ask it for forks; the second since Python 3.14."""


def begin(function: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Begin a process that does this; the function has to be one of a module.

    What it starts in turn are forks of the same server, which would otherwise be started anew.
    """
    context: Any = forks_of_a_server("pnetkit.pipeline.engine.task")
    process: BaseProcess = context.Process(target=_do, args=(_server(), function, arguments))
    process.start()
    return process


def begin_module(
    said: Path, *arguments: str, folder: Path | None = None, site: Path | None = None, goes_on: bool = False
) -> BaseProcess:
    """Begin what `python -m` does with these, in a folder, with what is installed in `site` too.

    What it prints goes into the file `said`, with `goes_on` after what is there.
    """
    return begin(_run_module, said, arguments, folder, site, goes_on)


@contextmanager
def dask_workers(number: int, **settings: Any) -> Iterator[Any]:
    """Hold a Dask cluster of worker processes of one thread each, with settings of Dask's."""
    import pytest  # for who asks for a cluster: what is forked needs none of it

    dask, distributed = pytest.importorskip("dask"), pytest.importorskip("distributed")
    forks_of_a_server("pnetkit.pipeline.engine.task")
    forkserver.ensure_running()  # before Dask says what its own would import
    how = {"distributed.worker.multiprocessing-method": "forkserver", "distributed.worker.daemon": False}
    with (
        dask.config.set(how | settings),
        distributed.LocalCluster(
            n_workers=number, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
        ) as found,
    ):
        yield found


def workers_of_this_server() -> Callable[..., None]:
    """Give what stands in for `workers.start_worker`: what a run's workers start are forks of this process's server."""
    return partial(_start_worker, _server())


def _server() -> dict[str, Any] | None:
    """Give where this process's server is, which is begun first; None where there is none on this system."""
    if forks_of_a_server("pnetkit.pipeline.engine.task").get_start_method() != "forkserver":
        return None
    forkserver.ensure_running()
    return {name: value for name, value in vars(forkserver._forkserver).items() if name in _WHERE}


def _take(server: dict[str, Any] | None) -> None:
    if server is not None:
        vars(forkserver._forkserver).update(server, ensure_running=resource_tracker.ensure_running)


def _do(server: dict[str, Any] | None, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    _take(server)
    function(*arguments)


def _start_worker(server: dict[str, Any] | None, threads: int, notes: str | None = None) -> None:
    _take(server)
    start_worker(threads, notes)


def _run_module(said: Path, arguments: tuple[str, ...], folder: Path | None, site: Path | None, goes_on: bool) -> None:
    with said.open("a" if goes_on else "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(folder or Path.cwd())
    if site is not None:
        sys.path.insert(0, str(site))
        os.environ["PYTHONPATH"] = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    sys.argv = list(arguments)
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
