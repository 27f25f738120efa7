"""Processes that tests start: forks of a server that has imported pnetkit once, as a run's workers are."""

import os
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from pnetkit.children import forks_of_a_server

_WHERE = ("_forkserver_address", "_forkserver_authkey")
"""What a process has to know of a server to ask it for forks; the second since Python 3.14."""


def begin(function: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Begin a process that does this; the function has to be one of a module.

    What it starts in turn are forks of the same server, which would otherwise be started anew.
    """
    context = forks_of_a_server("pnetkit.pipeline.engine.task")
    server = None
    if context.get_start_method() == "forkserver":
        forkserver.ensure_running()
        server = {name: value for name, value in vars(forkserver._forkserver).items() if name in _WHERE}
    process: BaseProcess = context.Process(target=_do, args=(server, function, arguments))
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


def _do(server: dict[str, Any] | None, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    if server is not None:
        vars(forkserver._forkserver).update(server, ensure_running=resource_tracker.ensure_running)
    function(*arguments)


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
