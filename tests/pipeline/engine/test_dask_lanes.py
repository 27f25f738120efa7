"""Tests of pnetkit.pipeline.engine.dask_lanes: what a cluster has to be, whom a death is laid to, what comes out."""

from dataclasses import replace

import pytest

from pnetkit.errors import MissingExtraError, PluginError, RunError
from pnetkit.pipeline.engine import dask_lanes, schedule
from pnetkit.pipeline.engine.dask_lanes import DaskLanes, open_cluster
from pnetkit.pipeline.engine.dask_task import Seen, carry_out, look
from pnetkit.pipeline.engine.schedule import run_nodes
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.needs import CPU, WHOLE_GPU
from tests.forked import dask_workers
from tests.nodes import a_node, killed_or_made

PLUGINS = (("case-classifier", "voxel-count"),)


class Cluster:
    """Stands in for a Dask client: its workers are in this process, and say what they are told to say."""

    def __init__(self, *workers, seen=(), refuses=False):
        self.workers, self.seen, self.refuses, self.handed_in = workers, seen, refuses, []

    def wait_for_workers(self, number, timeout):  # noqa: ARG002
        if not self.workers:
            raise TimeoutError

    def scheduler_info(self, n_workers):  # noqa: ARG002
        return {"workers": {f"tcp://{number}": of for number, of in enumerate(self.workers)}}

    def run(self, function, *arguments, on_error):  # noqa: ARG002
        said = function(*arguments)
        return {f"tcp://{number}": of(said) for number, of in enumerate(self.seen or [lambda said: said])}

    def submit(self, function, task, **options):
        if self.refuses:
            raise OSError("closed")
        self.handed_in.append((task, options))
        return Done(function, task)


class Done:
    """Stands in for a Dask future that is done."""

    def __init__(self, function, task):
        self.status, self.function, self.task = "finished", function, task

    def exception(self):
        return None

    def result(self):
        return self.function(self.task)

    def add_done_callback(self, tell):
        tell(self)


CORE, GPU = {"nthreads": 1, "resources": {}}, {"nthreads": 1, "resources": {"GPU": 1.0}}


def prepared(tmp_path, cluster, device="cpu"):
    lanes = DaskLanes(cluster, "dask://there:8786")
    return lanes, lanes.prepare(tmp_path / "store", PLUGINS, device=device)


@pytest.mark.parametrize(
    ("cluster", "device", "words"),
    [
        (Cluster(), "cpu", "has no worker"),
        (Cluster(CORE, CORE | {"nthreads": 4}), "cpu", r"has workers of 4 threads.*--nthreads 1"),
        (Cluster(CORE), "cuda:0", r"no worker offers a GPU.*for ever.*--resources 'GPU=1'"),
        (Cluster(CORE, seen=[lambda said: replace(said, host="node7", sees=False)]), "cpu", r"is not seen by .* node7"),
    ],
)
def test_a_cluster_that_cannot_do_the_run_is_refused_before_anything_waits(tmp_path, cluster, device, words):
    with pytest.raises(RunError, match=words):
        prepared(tmp_path, cluster, device)


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (
            lambda said: replace(said, host="node7", installed={**said.installed, "torch": "1.0"}),
            r"node7.* another torch",
        ),
        (
            lambda said: replace(said, host="node7", fault="No plugin x."),
            r"node7 lacks what the run needs: No plugin x",
        ),
        (lambda _: ModuleNotFoundError("no module pnetkit"), r"no module pnetkit"),
    ],
)
def test_workers_with_other_versions_or_plugins_are_refused_by_host(tmp_path, say, words):
    with pytest.raises(PluginError, match=words):
        prepared(tmp_path, Cluster(CORE, seen=[say]))


def test_what_a_cluster_is_made_of_is_said_and_gpus_that_nobody_would_use_too(tmp_path):
    assert prepared(tmp_path, Cluster(CORE, GPU), "cuda:0")[1] == [
        "Dask: 2 workers of dask://there:8786, 1 with a GPU."
    ]
    assert "this machine has none" in prepared(tmp_path, Cluster(GPU))[1][1]


def test_a_worker_says_what_it_misses_in_words(tmp_path):
    seen = look(tmp_path / "not there", (("backbone", "nobody-has-it"),))
    assert isinstance(seen, Seen)
    assert not seen.sees
    assert "nobody-has-it" in seen.fault


def test_what_needs_a_gpu_goes_to_who_offers_one_and_first(tmp_path):
    cluster = Cluster(CORE, GPU)
    lanes, _ = prepared(tmp_path, cluster, "cuda:0")
    context = Context(tmp_path / "store", "cuda:1", 1)
    told = [lanes.hand_in(lambda where: where.device, context, needs).result() for needs in (WHOLE_GPU, CPU)]
    assert told == ["cuda:0", "cpu"]  # a worker sees its own GPU alone
    assert [options["resources"] for _, options in cluster.handed_in] == [{"GPU": 1}, None]
    assert cluster.handed_in[0][1]["priority"] > cluster.handed_in[1][1]["priority"]
    lanes.close()
    assert list((tmp_path / "store" / "attempts").iterdir()) == []


def test_a_task_whose_mark_is_there_was_the_death_of_a_worker_and_is_not_done(tmp_path):
    cluster = Cluster(CORE)
    lanes, _ = prepared(tmp_path, cluster)
    context = Context(tmp_path / "store", "cpu", 1)
    assert lanes.hand_in(lambda _: "done", context, CPU).result() == "done"
    task = cluster.handed_in[0][0]
    assert not task.mark.exists()
    task.mark.write_text('{"host": "node7", "process": 42, "token": "x"}')
    assert carry_out(task).death.how == "ended on node7 (process 42), and Dask's log of it may say why"
    assert carry_out(replace(task, installed="other")).fault.endswith("does not have the versions that the run has")


def test_a_scheduler_that_is_gone_is_said(tmp_path):
    cluster = Cluster(CORE)
    lanes, _ = prepared(tmp_path, cluster)
    cluster.refuses = True
    with pytest.raises(RunError, match=r"takes no task any more \(closed\)"):
        lanes.hand_in(lambda _: None, Context(tmp_path / "store", "cpu", 1), CPU).result()


def test_an_engine_that_is_not_there_is_said_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_lanes, "PATIENCE_S", 0.5)
    with pytest.raises(RunError, match="there is no such file"), open_cluster(f"dask:{tmp_path / 'scheduler.json'}"):
        pass
    with pytest.raises(RunError, match="no Dask scheduler answers"), open_cluster("dask://127.0.0.1:9"):
        pass
    monkeypatch.setattr("pnetkit.extras.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pnetkit\[dask\]'"), open_cluster("dask://127.0.0.1:9"):
        pass


@pytest.fixture
def cluster():
    """Three worker processes; the scheduler gives a task up at the first death, and so blames the most it can."""
    with dask_workers(3, **{"distributed.scheduler.allowed-failures": 0}) as found:
        yield found


@pytest.mark.slow
def test_a_death_is_laid_to_what_was_being_made_and_to_nothing_that_waited(tmp_path, monkeypatch, cluster):
    monkeypatch.setattr(schedule, "attempt", killed_or_made)
    context = Context(tmp_path / "store", "cpu", 1)
    context.store_root.mkdir()
    killed, once = (a_node(seen=name, identity={"name": name}) for name in ("killed", "killed once"))
    after = a_node(seen="after", identity={"name": "after"}, inputs={"killed": killed.ref})
    many = [a_node(seen=f"{number}", identity={"name": f"innocent {number}", "seconds": 0.05}) for number in range(24)]
    with open_cluster(cluster.scheduler_address.replace("tcp:", "dask:")) as lanes:
        lanes.prepare(context.store_root, PLUGINS, device="cpu")
        outcome = run_nodes([killed, once, after, *many], lanes, context)
    assert outcome.failed.keys() == {killed.key}
    assert "died twice" in outcome.failed[killed.key].reason
    assert "ended on" in outcome.failed[killed.key].reason
    assert outcome.skipped == {after.key}
    assert all(context.store.has(of.stage, of.key) for of in (once, *many))
    assert list((context.store_root / "attempts").iterdir()) == []
