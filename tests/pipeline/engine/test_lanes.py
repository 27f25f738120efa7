"""Tests of pnetkit.pipeline.engine.lanes: room by need, one device for a task, shares that add up to one GPU."""

from concurrent.futures import Executor, Future

import pytest

from pnetkit.pipeline.engine.lanes import GpuLane, LocalLanes, OneLane
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.needs import CPU, HALF_GPU, WHOLE_GPU


class Held(Executor):
    """Begins tasks and ends them when it is told to."""

    def __init__(self):
        self.begun = []

    def submit(self, fn, /, *args, **kwargs):
        del fn, kwargs
        future = Future()
        self.begun.append((args[0], future))
        return future


@pytest.fixture
def context(tmp_path):
    return Context(tmp_path, "cuda:0", 1, gpu_bytes=1000)


def two_gpus(cores, first, second, share=None):
    return LocalLanes(OneLane(cores), [GpuLane("cuda:0", 2, first, share), GpuLane("cuda:1", 2, second, share)])


def devices(executor):
    return [(context.device, context.gpu_bytes, context.is_shared) for context, _ in executor.begun]


def test_trainings_have_a_gpu_each_and_two_scans_share_one(context):
    cores, first, second = Held(), Held(), Held()
    lanes = two_gpus(cores, first, second)
    lanes.hand_in(print, context, WHOLE_GPU)
    assert lanes.has_room(WHOLE_GPU)
    lanes.hand_in(print, context, HALF_GPU)
    assert not lanes.has_room(WHOLE_GPU)
    lanes.hand_in(print, context, HALF_GPU)
    assert not lanes.has_room(HALF_GPU)
    assert devices(first) == [("cuda:0", 1000, True)]
    assert devices(second) == [("cuda:1", 500, True)] * 2
    first.begun[0][1].set_result({})
    assert lanes.has_room(WHOLE_GPU)


def test_a_number_of_workers_is_that_many_tasks_of_any_kind_on_each_gpu(context):
    cores, first, second = Held(), Held(), Held()
    lanes = two_gpus(cores, first, second, share=0.5)
    for needs in (WHOLE_GPU, HALF_GPU, WHOLE_GPU, WHOLE_GPU):
        assert lanes.has_room(needs)
        lanes.hand_in(print, context, needs)
    assert not lanes.has_room(HALF_GPU)
    assert devices(first) + devices(second) == [("cuda:0", 500, True)] * 2 + [("cuda:1", 500, True)] * 2


def test_a_training_that_spreads_takes_as_many_gpus_at_once_and_everything_else_one(context):
    executors = [Held(), Held(), Held()]
    gpus = [GpuLane(f"cuda:{number}", 2, executor) for number, executor in enumerate(executors)]
    lanes = LocalLanes(OneLane(Held()), gpus, a_training=2)
    lanes.hand_in(print, context, WHOLE_GPU)
    ((here, future),) = executors[0].begun
    assert (here.device, here.helpers, here.gpu_bytes) == ("cuda:0", ("cuda:1",), 1000)
    assert executors[1].begun == []
    assert not lanes.has_room(WHOLE_GPU)  # one GPU is left
    lanes.hand_in(print, context, HALF_GPU)
    assert [(of.device, of.helpers) for of, _ in executors[2].begun] == [("cuda:2", ())]
    future.set_result({})
    assert lanes.has_room(WHOLE_GPU)
    lanes.hand_in(print, context, WHOLE_GPU)
    assert executors[0].begun[1][0].helpers == ("cuda:1",)  # not the one where a scan is


def test_shares_of_a_third_fill_a_gpu(context):
    gpu = GpuLane("cuda:0", 3, Held(), 1 / 3)
    for _ in range(3):
        assert gpu.has_room(WHOLE_GPU)
        gpu.hand_in(print, context, WHOLE_GPU)
    assert not gpu.has_room(HALF_GPU)


def test_what_computes_on_cores_is_told_no_gpu_and_waits_for_none(context):
    cores, first, second = Held(), Held(), Held()
    lanes = two_gpus(cores, first, second)
    lanes.hand_in(print, context, WHOLE_GPU)
    lanes.hand_in(print, context, WHOLE_GPU)
    assert lanes.has_room(CPU)
    lanes.hand_in(print, context, CPU)
    assert devices(cores) == [("cpu", 0, False)]


def test_an_executor_is_one_lane_for_everything_on_the_run_s_device(context):
    executor = Held()
    lane = OneLane(executor)
    for needs in (WHOLE_GPU, HALF_GPU, CPU):
        lane.hand_in(print, context, needs)
    assert devices(executor) == [("cuda:0", 1000, False)] * 3
