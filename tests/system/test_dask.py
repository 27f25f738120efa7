"""A whole run on a Dask cluster, one of whose workers is killed: the bytes of a single process."""

import json
import os
import signal
import threading
import time

import pytest

from pnetkit.store.store import Store
from tests.forked import dask_workers
from tests.system.conftest import results


@pytest.fixture
def cluster():
    with dask_workers(3) as found:
        yield found


@pytest.mark.slow
def test_a_run_on_dask_workers_of_which_one_is_killed_gives_the_bytes_of_a_single_process(tiny, finished, cluster):
    store, killed = Store(tiny.folder / "store"), []

    def kill_one():
        """Kill the worker that is at a training which has begun, by the process that the mark of its task names."""
        until = time.monotonic() + 300
        while time.monotonic() < until and not killed:
            trained = [path for path in store.partials() if path.name.startswith("train") and any(path.iterdir())]
            for mark in (store.root / "attempts").glob("*/pnetkit-*.json") if trained else []:
                try:
                    worker = json.loads(mark.read_text())["process"]
                except (OSError, ValueError):
                    continue
                os.kill(worker, signal.SIGKILL)
                killed.append(worker)
                return
            time.sleep(0.02)

    killing = threading.Thread(target=kill_one)
    killing.start()
    found = tiny(engine=cluster.scheduler_address.replace("tcp:", "dask:"))
    killing.join()
    assert killed
    assert not found.failed
    assert results(found.folder) == results(finished[1].folder)
    record = json.loads((found.folder / "run.json").read_text())
    assert (record["engine"], record["failed"]) == ("dask", [])
    made = [store.record(of["stage"], of["key"])["process"] for of in record["stages"]]
    assert len(set(made)) >= 2  # several workers made them
    assert os.getpid() not in made  # and not this process
    assert store.partials() == []
    assert list((store.root / "attempts").iterdir()) == []
