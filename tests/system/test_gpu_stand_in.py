"""A whole small run on a GPU that a CPU stands in for: every call into CUDA raises where the real one would."""

import json
from functools import partial

import pytest

from pnetkit.pipeline.engine import workers
from tests.cuda_stand_in import CudaStandIn, OnCpuInstead, start_worker_with_stand_in
from tests.system.conftest import results

pytestmark = pytest.mark.slow


@pytest.fixture
def stand_in(monkeypatch):
    return CudaStandIn().install(monkeypatch)


def on_the_stand_in(tiny, cuda, device, **options):
    sets = ("training.precision=fp32", "inference.precision=fp32", "training.iterations=4", *options.pop("sets", ()))
    with OnCpuInstead(cuda):
        return tiny(device=device, sets=sets, **options)


def test_a_run_on_the_second_gpu_makes_every_stage(tiny, stand_in):
    result = on_the_stand_in(tiny, stand_in, "cuda:1", vram_bytes=8_000_000_000)
    assert result.failed == {}
    assert result.made["prepare"] == 8
    record = json.loads((result.folder / "run.json").read_text())
    assert record["device"] == "cuda:1"
    assert record["hardware"]["gpus"] == ["Stand-in 0", "Stand-in 1"]
    assert record["memory"]["gpu_measured_mib"] == {"train": 3.0, "segment": 3.0}  # of no stage that uses no GPU
    assert {"reset_peak_memory_stats", "set_per_process_memory_fraction", "pin_memory"} <= set(stand_in.calls)
    assert stand_in.used == {1}


def test_a_stage_that_uses_no_gpu_does_not_begin_it(tiny, stand_in):
    begun = {}

    def note(progress):
        begun.setdefault(progress.node.stage, stand_in.begun)

    result = on_the_stand_in(tiny, stand_in, "cuda:0", progress=note)
    assert result.failed == {}
    assert begun["prepare"] is False
    assert begun["train"] is True


def test_a_run_on_the_cpu_leaves_the_gpus_alone(tiny, stand_in):
    assert on_the_stand_in(tiny, stand_in, "cpu").failed == {}
    assert not stand_in.begun


def test_two_gpus_share_the_trainings_and_what_computes_on_cores_begins_neither(tiny, stand_in, monkeypatch, tmp_path):
    on_cpu = on_the_stand_in(tiny, stand_in, "cpu", out="again", store="another")
    monkeypatch.setattr(workers, "start_worker", partial(start_worker_with_stand_in, folder=tmp_path))
    result = on_the_stand_in(tiny, stand_in, "auto", workers=1, gpu_workers=1, vram_bytes=8_000_000_000)
    assert result.failed == {}
    record = json.loads((result.folder / "run.json").read_text())
    assert (record["workers"], record["gpus"], record["gpu_workers"]) == (1, ["cuda:0", "cuda:1"], 1)
    made_on = {}
    for of in record["stages"]:
        node = json.loads((tiny.folder / "store" / of["stage"] / of["key"][:32] / "stage.json").read_text())
        made_on.setdefault(of["stage"], set()).add(node["device"])
    assert made_on["train"] == made_on["segment"] == {"cuda:0", "cuda:1"}
    assert made_on["prepare"] == made_on["postprocess"] == made_on["classify"] == made_on["measure"] == {"cpu"}
    used = [[note.read_text() for note in lane.iterdir()] for lane in tmp_path.glob("pnetkit-workers-*")]
    assert sorted(used) == [[""], ["0"], ["1"]]
    assert results(on_cpu.folder) == results(result.folder)
