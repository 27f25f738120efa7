"""Tests of pnetkit.pipeline.engine.machine: which GPUs and how many workers, and refusals in words."""

import pytest

from pnetkit.errors import PnetkitError
from pnetkit.pipeline.engine import machine
from pnetkit.pipeline.engine.machine import Machine, choose_machine
from pnetkit.pipeline.stages.needs import CPU, HALF_GPU, WHOLE_GPU
from tests.cuda_stand_in import CudaStandIn


@pytest.fixture
def stand_in(monkeypatch):
    return CudaStandIn(gpus=3).install(monkeypatch)


def test_all_gpus_are_used_unless_some_are_named(stand_in):
    everything = ("cuda:0", "cuda:1", "cuda:2")
    assert choose_machine("auto").gpus == choose_machine("cuda").gpus == choose_machine("auto", gpus="all").gpus
    assert choose_machine("auto").gpus == everything
    assert choose_machine("auto", gpus=(2, 0, 2)).gpus == ("cuda:2", "cuda:0")
    assert choose_machine("cuda:1").gpus == ("cuda:1",)
    assert choose_machine("cpu").gpus == ()
    assert choose_machine("auto", workers=0).gpus == ("cuda:0",)  # one process, one GPU
    assert not stand_in.begun


@pytest.mark.parametrize(
    ("device", "options", "said"),
    [
        ("cpu", {"gpus": (0,)}, "--device cpu and --gpus 0 contradict each other"),
        ("cuda:1", {"gpus": "all"}, "--device cuda:1 and --gpus all contradict each other"),
        ("auto", {"gpus": (0, 3)}, "--gpus 0,3: there is no GPU 3 here; there are 0, 1, 2"),
        ("auto", {"gpus": (0, 1), "workers": 0}, "--workers 0 runs everything in one process, which uses one GPU"),
    ],
)
def test_what_is_not_there_or_contradicts_itself_is_refused(stand_in, device, options, said):
    with pytest.raises(PnetkitError, match=said):
        choose_machine(device, **options)
    assert not stand_in.begun


@pytest.mark.usefixtures("stand_in")
def test_the_processes_of_a_training_have_a_gpu_each_or_a_core_each(monkeypatch):
    monkeypatch.setattr(machine, "usable_processors", lambda: 8)
    on_gpus = choose_machine("auto", per_training=2)
    assert (on_gpus.workers, on_gpus.helpers, on_gpus.at_once(WHOLE_GPU)) == (8, ("cuda:1",), 1)
    assert on_gpus.at_once(HALF_GPU) == 6
    assert on_gpus.in_words().endswith("on each of cuda:0, cuda:1, cuda:2; each training in 2 processes.")
    assert choose_machine("cuda", workers=0, per_training=2).gpus == ("cuda:0", "cuda:1")
    on_cores = choose_machine("cpu", per_training=4)
    assert (on_cores.workers, on_cores.helpers) == (2, ("cpu",) * 3)
    assert on_gpus.helpers_beside("cuda:1") == ("cuda:0",)  # where the weakest is another than the first
    assert choose_machine("cpu", workers=3, per_training=4).workers == 3
    assert choose_machine("cpu", per_training=16).workers == 1
    with pytest.raises(PnetkitError, match=r"training 4: 3 devices may be used \(cuda:0, cuda:1, cuda:2\).*at most 3"):
        choose_machine("auto", per_training=4)
    with pytest.raises(PnetkitError, match=r"training 2: 1 device may be used \(cuda:1\)"):
        choose_machine("cuda:1", per_training=2)


def test_gpus_that_are_asked_for_where_there_is_none_are_refused(monkeypatch):
    CudaStandIn(gpus=0).install(monkeypatch)
    assert choose_machine("auto").gpus == ()
    with pytest.raises(PnetkitError, match="--gpus all: there is no GPU here"):
        choose_machine("auto", gpus="all")


def test_lanes_in_words_and_in_numbers():
    gpus = Machine(8, ("cuda:0", "cuda:1"))
    assert gpus.in_words() == (
        "Lanes: 8 workers on the processor; one training or two other tasks at once on each of cuda:0, cuda:1."
    )
    assert [gpus.at_once(needs) for needs in (CPU, WHOLE_GPU, HALF_GPU)] == [8, 2, 4]
    assert gpus.gpu_processes == 4
    more = Machine(8, ("cuda:1",), 4)
    assert more.in_words() == "Lanes: 8 workers on the processor; 4 tasks at once on cuda:1."
    assert [more.at_once(needs) for needs in (CPU, WHOLE_GPU, HALF_GPU)] == [8, 4, 4]
    assert Machine(2).in_words() == "Lanes: 2 workers on the processor."
    assert Machine(0, ("cuda:0",)).in_words() == "Lanes: everything in this process, networks on cuda:0."
    assert [Machine(2).at_once(needs) for needs in (CPU, WHOLE_GPU)] == [2, 2]
