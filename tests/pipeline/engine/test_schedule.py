"""Tests of pnetkit.pipeline.engine.schedule: order, failures, reuse, on one process and on several."""

import contextlib
import json
import multiprocessing
import os
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from pathlib import Path

import pytest
import torch

from pnetkit.errors import ProcessDiedError, StoreError, TrainingError
from pnetkit.files import file_digest
from pnetkit.pipeline.engine import schedule
from pnetkit.pipeline.engine.lanes import GpuLane, LocalLanes, OneLane
from pnetkit.pipeline.engine.order import Order
from pnetkit.pipeline.engine.schedule import run_nodes
from pnetkit.pipeline.engine.task import attempt
from pnetkit.pipeline.engine.workers import Death, SerialExecutor, WorkerDiedError, WorkerPool
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.needs import WHOLE_GPU
from pnetkit.pipeline.stages.stage import Stage
from pnetkit.pipeline.stages.table import STAGES
from pnetkit.store.node import File, Node, Subject
from pnetkit.store.store import Store
from tests.cuda_stand_in import CudaStandIn
from tests.forked import begin
from tests.nodes import AnySpec, hold_a_worker, killed_or_made


def node(name, *needs, stage="measure", **identity):
    spec = AnySpec(stage, identity={"name": name, **identity}, inputs={n.subject.input: n.ref for n in needs})
    return Node(spec, Subject(name, "P1"))


def of_one_case(name, *needs, **identity):
    """A node of a small stage, of the same subject as all others of these."""
    spec = AnySpec(identity={"name": name, **identity}, inputs={n.spec.identity["name"]: n.ref for n in needs})
    return Node(spec, Subject("venous", "P1"))


class Counting(SerialExecutor):
    """Counts the tasks that it is given."""

    tasks = 0

    def submit(self, fn, /, *args, **kwargs):
        self.tasks += 1
        return super().submit(fn, *args, **kwargs)


@pytest.fixture
def context(tmp_path):
    return Context(tmp_path / "store", "cpu", 1)


@pytest.fixture
def task(monkeypatch):
    """Nodes note their names; one called `bad...` fails."""
    done = []

    def work(spec, _context, folder):
        name = spec.identity["name"]
        if name.startswith("bad"):
            raise TrainingError("it went wrong") if name == "bad" else ZeroDivisionError("oops")
        done.append(name)
        (folder / "name.json").write_text(json.dumps(name))
        return {"name": name}

    monkeypatch.setitem(STAGES, "measure", Stage("measure", work, is_small=True))
    return done


@contextlib.contextmanager
def made_elsewhere(store, node, *, for_s, gives_up=False):
    """Let somebody else make a node, from before the block until so many seconds later."""
    begun, end = threading.Event(), threading.Event()

    def made_there(_folder):
        begun.set()
        end.wait()
        if gives_up:
            raise TrainingError("it went wrong there")
        return {}

    def make():
        with contextlib.suppress(TrainingError):
            store.produce(node.stage, node.key, made_there)

    other = threading.Thread(target=make)
    other.start()
    begun.wait()
    threading.Timer(for_s, end.set).start()
    yield
    other.join()


def test_each_node_comes_after_what_it_builds_on(context, task):
    first, other = node("first"), node("other")
    second = node("second", first)
    third = node("third", second, other)
    outcome = run_nodes([third, other, second, first], SerialExecutor(), context)
    assert task.index("first") < task.index("second") < task.index("third")
    assert task.index("other") < task.index("third")
    assert outcome.made == {n.key for n in (first, second, third, other)}
    record = context.store.record("measure", second.key)
    assert record["identity"]["name"] == "second"
    assert record["inputs"] == {"first": first.key}
    assert record["details"] == {"name": "second"}
    assert record["versions"]["torch"]


def test_a_failure_takes_along_what_builds_on_it_and_nothing_else(context, task):
    good, bad = node("good"), node("bad")
    child, grandchild = node("child", bad, good), node("grandchild", node("child", bad, good))
    outcome = run_nodes([good, bad, child, grandchild], SerialExecutor(), context)
    assert task == ["good"]
    assert outcome.failed[bad.key].reason == "it went wrong"
    assert outcome.failed[bad.key].traceback is None
    assert outcome.skipped == {child.key, grandchild.key}


def test_small_nodes_of_one_case_are_one_task_and_each_ends_for_itself(context, task):
    first = of_one_case("first")
    bad, good = of_one_case("bad", first), of_one_case("good", first)
    behind_bad, behind_good = of_one_case("behind bad", bad, good), of_one_case("last", good)
    executor, told = Counting(), []
    nodes = [first, bad, good, behind_bad, behind_good, node("another case")]
    outcome = run_nodes(nodes, executor, context, on_progress=told.append)
    assert executor.tasks == 2
    assert task == ["first", "good", "last", "another case"]
    assert outcome.made == {first.key, good.key, behind_good.key, nodes[-1].key}
    assert outcome.failed.keys() == {bad.key}
    assert outcome.skipped == {behind_bad.key}
    assert [p.node.spec.identity["name"] for p in told if p.error] == ["bad"]
    assert run_nodes(nodes, executor, context).made == frozenset()  # and the next call goes on from what is there


def test_what_follows_a_node_that_another_process_makes_is_made_when_that_is_there(context, task, monkeypatch):
    monkeypatch.setattr(schedule, "POLL_S", 0.01)
    first = of_one_case("first")
    middle = of_one_case("middle", first)
    beside, last = of_one_case("beside", first), of_one_case("last", middle)
    with made_elsewhere(context.store, middle, for_s=0.3):
        outcome = run_nodes([first, middle, beside, last], SerialExecutor(), context)
    assert outcome.made == {first.key, beside.key, last.key}
    assert outcome.failed == {}
    assert task == ["first", "beside", "last"]


def test_a_disk_that_does_not_keep_what_was_renamed_is_a_failure_in_words(context, task, monkeypatch):
    def full(_store, stages):
        raise StoreError(f"the disk is full ({', '.join(stages)})")

    monkeypatch.setattr(Store, "sync", full)
    first = of_one_case("first")
    outcome = run_nodes([first, of_one_case("second", first)], SerialExecutor(), context)
    assert outcome.made == frozenset()
    assert outcome.failed[first.key].reason == "the disk is full (measure, measure)"
    assert task == ["first", "second"]


def test_an_unexpected_failure_keeps_its_traceback(context, task):
    outcome = run_nodes([node("bad luck")], SerialExecutor(), context)
    assert task == []
    (failure,) = outcome.failed.values()
    assert failure.reason == "ZeroDivisionError: oops (unexpected)"
    assert "test_schedule.py" in failure.traceback


@pytest.mark.parametrize(("deaths", "makes"), [(1, True), (2, False)])
def test_a_process_that_dies_for_a_task_costs_what_the_death_of_its_worker_costs(context, monkeypatch, deaths, makes):
    left = [ProcessDiedError("lost its process 2 of 2, which was killed by SIGKILL")] * deaths

    def work(*_):
        if left:
            raise left.pop()
        return {}

    monkeypatch.setitem(STAGES, "measure", Stage("measure", work))
    outcome = run_nodes([node("any")], SerialExecutor(), context)
    assert (len(outcome.made), len(outcome.failed)) == ((1, 0) if makes else (0, 1))
    for failure in outcome.failed.values():
        assert "died twice" in failure.reason
        assert "it lost its process 2 of 2, which was killed by SIGKILL." in failure.reason


def test_a_death_travels_between_processes_with_what_is_known_of_it():
    died = copy(WorkerDiedError(Death("was killed by SIGKILL", "in a loop")))  # by what pickle takes
    assert died.death == Death("was killed by SIGKILL", "in a loop")
    assert copy(ProcessDiedError("lost one")).how == "lost one"


def test_what_a_plugin_computes_on_a_gpu_is_fp32(context, monkeypatch):
    seen = []
    monkeypatch.setitem(
        STAGES, "measure", Stage("measure", lambda *_: seen.append(torch.backends.cudnn.allow_tf32) or {})
    )
    outcome = run_nodes([node("any")], SerialExecutor(), context)
    assert outcome.failed == {}
    assert seen == [False]


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_file_that_changes_between_check_and_use_leaves_nothing_under_the_old_content_s_key(
    context, monkeypatch, tmp_path, when
):
    scan, seen = tmp_path / "scan.nii", []
    scan.write_bytes(b"checked")
    spec = AnySpec(files={"image": File(scan, file_digest(scan))})

    def work(spec, _context, _folder):
        if when == "meanwhile":
            scan.write_bytes(b"another")
        seen.append(spec.files["image"].path.read_bytes())
        return {}

    monkeypatch.setitem(STAGES, "measure", Stage("measure", work))
    if when == "before":
        scan.write_bytes(b"another")
    outcome = run_nodes([Node(spec, Subject("venous", "P1"))], SerialExecutor(), context)
    (failure,) = outcome.failed.values()
    said = {"before": "has changed since it was checked", "meanwhile": "was changed while it was read"}
    assert said[when] in failure.reason
    assert failure.traceback is None
    assert seen == ([] if when == "before" else [b"another"])
    assert not context.store.has("measure", Node(spec, Subject("venous", "P1")).key)


def test_a_gpu_whose_memory_runs_out_is_said_in_words(context, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")

    monkeypatch.setitem(STAGES, "measure", Stage("measure", full))
    outcome = run_nodes([node("large")], SerialExecutor(), context)
    (failure,) = outcome.failed.values()
    assert failure.reason.startswith("the GPU's memory ran out (CUDA out of memory). Run again with more --vram")
    assert failure.traceback is None


@pytest.mark.parametrize(("workers", "calls"), [(1, 0), (2, 1)])
def test_a_task_that_fails_on_a_shared_gpu_leaves_none_of_its_memory_to_an_idle_worker(
    context, monkeypatch, workers, calls
):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    cuda = CudaStandIn(begun=True).install(monkeypatch)
    monkeypatch.setitem(STAGES, "train", Stage("train", full, needs=WHOLE_GPU))
    lanes = LocalLanes(OneLane(SerialExecutor()), [GpuLane("cuda:0", workers, SerialExecutor())])
    outcome = run_nodes([node("large", stage="train")], lanes, context)
    assert len(outcome.failed) == 1
    assert cuda.calls.count("empty_cache") == calls


def test_what_the_store_holds_is_told_and_not_made(context, task):
    nodes = [node("a"), node("b")]
    run_nodes(nodes[:1], SerialExecutor(), context)
    told = []
    outcome = run_nodes(
        nodes, SerialExecutor(), context, on_progress=lambda p: told.append((p.node.subject.input, p.reused))
    )
    assert outcome.made == {nodes[1].key}
    assert ("a", True) in told
    assert ("b", False) in told
    assert task == ["a", "b"]


@pytest.mark.slow
def test_a_worker_that_dies_costs_its_task_alone_and_the_pool_goes_on(context, monkeypatch):
    monkeypatch.setattr(schedule, "attempt", killed_or_made)
    beside = [node("beside", seconds=1.0), node("beside too", seconds=0.5)]
    made = node("made")
    killed, once, crashes = node("killed", made), node("killed once", made), node("crashes")
    after, lives_on = node("after", killed), node("lives on", once)
    told = []
    with WorkerPool(2, threads=1) as pool:
        nodes = [*beside, made, killed, once, crashes, after, lives_on]
        outcome = run_nodes(nodes, pool, context, on_progress=told.append)
        late = run_nodes([node("late")], pool, context)
    assert outcome.made == {of.key for of in (*beside, made, once, lives_on)}
    assert outcome.failed.keys() == {killed.key, crashes.key}
    assert "died twice" in outcome.failed[killed.key].reason
    assert "was killed by SIGKILL" in outcome.failed[killed.key].reason
    assert "was killed by SIGSEGV" in outcome.failed[crashes.key].reason
    assert "killed_or_made" in outcome.failed[crashes.key].traceback  # the worker's last lines say where it was
    assert outcome.skipped == {after.key}
    assert {p.node.subject.input for p in told if p.error} == {"killed", "crashes"}
    assert late.made == {node("late").key}


@pytest.mark.slow
def test_a_worker_that_dies_in_a_task_of_several_nodes_costs_the_one_it_was_at(context, monkeypatch):
    monkeypatch.setattr(schedule, "attempt", killed_or_made)
    made = of_one_case("made")
    killed, once = of_one_case("killed", made), of_one_case("killed once", made)
    lives_on, after = of_one_case("lives on", once), of_one_case("after", killed)
    with WorkerPool(1, threads=1) as pool:
        outcome = run_nodes([made, once, killed, lives_on, after], pool, context)
    assert outcome.made == {made.key, once.key, lives_on.key}
    assert outcome.failed.keys() == {killed.key}
    assert outcome.skipped == {after.key}


def test_what_cannot_travel_between_processes_travels_as_text(context, monkeypatch):
    def raises(*_):
        class OddError(Exception):
            """Unpickled it would be looked for in its module, and is not there."""

        raise OddError("it went wrong")

    monkeypatch.setitem(STAGES, "measure", Stage("measure", raises))
    tried = pickle.loads(pickle.dumps(attempt(node("any"), context)))  # noqa: S301  # our own
    assert tried.failure.reason == "OddError: it went wrong (unexpected)"
    assert "in raises" in tried.failure.traceback


def test_a_result_that_another_process_made_meanwhile_is_not_said_to_be_made_here(context, task, monkeypatch):
    def made_elsewhere(of, _):
        context.store.produce(of.stage, of.key, lambda _folder: {})
        return attempt(of, context)

    monkeypatch.setattr(schedule, "attempt", made_elsewhere)
    told = []
    outcome = run_nodes([node("one")], SerialExecutor(), context, on_progress=told.append)
    assert (outcome.made, outcome.failed, task) == (frozenset(), {}, [])
    assert [(p.done, p.reused) for p in told] == [(1, True)]


def test_runs_that_share_a_store_share_its_work_and_make_everything_once(context, monkeypatch):
    made = []

    def slow(spec, _context, _folder):
        made.append(spec.identity["name"])
        time.sleep(0.1)
        return {}

    monkeypatch.setitem(STAGES, "measure", Stage("measure", slow))
    monkeypatch.setattr(schedule, "POLL_S", 0.01)
    first = [node(f"first {i}") for i in range(6)]
    nodes = [*first, *(node(f"second {i}", of) for i, of in enumerate(first))]
    with ThreadPoolExecutor(3) as threads:
        outcomes = list(threads.map(lambda _: run_nodes(nodes, SerialExecutor(), context), range(3)))
    assert sorted(made) == sorted(of.spec.identity["name"] for of in nodes)
    assert sorted(key for of in outcomes for key in of.made) == sorted(of.key for of in nodes)
    assert all(of.made and not of.failed and not of.skipped for of in outcomes)


def test_what_builds_on_the_last_that_another_process_makes_is_made(context, task, monkeypatch):
    """All else is done when the other one ends: nothing runs here, and nothing is under way elsewhere any more."""
    monkeypatch.setattr(schedule, "POLL_S", 0.01)
    one = node("one")
    after = node("after", one)
    with made_elsewhere(context.store, one, for_s=0.3):
        outcome = run_nodes([one, after], SerialExecutor(), context)
    assert outcome.made == {after.key}
    assert task == ["after"]


def test_work_that_is_forgotten_is_a_fault_and_no_result():
    order = Order([node("one"), node("two")])
    order.finish(node("one").key)
    with pytest.raises(RuntimeError, match="1 nodes were forgotten, such as"):
        order.require_all_settled()


def test_what_another_process_gave_up_is_taken_up(context, task, monkeypatch):
    monkeypatch.setattr(schedule, "POLL_S", 0.01)
    one = node("one")
    with made_elsewhere(context.store, one, for_s=0.2, gives_up=True):
        assert run_nodes([one], SerialExecutor(), context).made == {one.key}
    assert task == ["one"]


@pytest.mark.slow
def test_the_pool_works_in_other_processes_with_its_number_of_threads():
    with WorkerPool(1, threads=1) as pool:
        import os

        import torch

        assert pool.submit(os.getpid).result() != os.getpid()
        assert pool.submit(torch.get_num_threads).result() == 1


@pytest.mark.slow
def test_leaving_the_pool_by_an_error_stops_its_processes():
    def interrupted():
        with WorkerPool(1, threads=1) as pool:
            future = pool.submit(time.sleep, 60)
            while not future.running():
                time.sleep(0.05)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    for _ in range(1000):
        if not multiprocessing.active_children():
            break
        time.sleep(0.01)
    assert multiprocessing.active_children() == []


def runs(pid: int) -> bool:
    """Tell whether a process runs; one that ended and that nobody asked after may still have its number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_a_worker_ends_with_the_process_that_started_it_even_if_that_is_killed():
    ours, its = multiprocessing.Pipe()
    process = begin(hold_a_worker, its)
    its.close()
    worker = ours.recv()
    assert runs(worker)
    process.kill()
    process.join()
    ours.close()
    until = time.monotonic() + 30
    while runs(worker) and time.monotonic() < until:
        time.sleep(0.01)
    assert not runs(worker)


def test_what_another_process_makes_for_long_is_tried_less_and_less_often_and_taken_in_at_once(
    context, task, monkeypatch
):
    monkeypatch.setattr(schedule, "POLL_S", 0.01)
    monkeypatch.setattr(schedule, "LONGEST_S", 60.0)
    one, tried, real = node("one"), [], Store.is_being_made
    monkeypatch.setattr(Store, "is_being_made", lambda *of: (tried.append(of), real(*of))[1])
    with made_elsewhere(context.store, one, for_s=0.4):
        outcome = run_nodes([one], SerialExecutor(), context)
    assert outcome.by_others([one]) == [one]
    assert task == []
    assert 1 <= len(tried) <= 7  # of forty that there would be: 0.01 s, 0.02 s, ... 0.32 s
