"""A whole small run on a GPU that a CPU stands in for: every call into CUDA raises where the real one would."""

import json
from dataclasses import dataclass
from functools import partial

import pytest

from pnetkit.pipeline.engine import workers
from pnetkit.pipeline.run import RunResult
from tests.cuda_stand_in import CudaStandIn, OnCpuInstead, start_worker_with_stand_in
from tests.system.conftest import Runner, results

pytestmark = pytest.mark.slow


SETS = ("phases=[venous]", "training.precision=fp32", "inference.precision=fp32", "training.iterations=2")


@dataclass(frozen=True)
class Done:
    """A run, the stand-in that it had, and whether CUDA had begun when a stage was first heard of."""

    result: RunResult
    cuda: CudaStandIn
    begun: dict[str, bool]


def on_the_stand_in(runner, device, **options):
    """Run in this process; CUDA is a stand-in only meanwhile."""
    begun = {}
    with pytest.MonkeyPatch.context() as patched:
        cuda = CudaStandIn().install(patched)
        with OnCpuInstead(cuda):
            result = runner(
                device=device,
                sets=SETS,
                progress=lambda progress: begun.setdefault(progress.node.stage, cuda.begun),
                **options,
            )
    return Done(result, cuda, begun)


@pytest.fixture(scope="module")
def on_cpu(tmp_path_factory):
    return on_the_stand_in(Runner(tmp_path_factory.mktemp("cpu")), "cpu")


@pytest.fixture(scope="module")
def on_second(tmp_path_factory):
    return on_the_stand_in(Runner(tmp_path_factory.mktemp("second")), "cuda:1", vram_bytes=8_000_000_000)


def test_a_run_on_the_second_gpu_makes_every_stage(on_second):
    assert on_second.result.failed == {}
    assert on_second.result.made["prepare"] == 4
    record = json.loads((on_second.result.folder / "run.json").read_text())
    assert record["device"] == "cuda:1"
    assert record["hardware"]["gpus"] == ["Stand-in 0", "Stand-in 1"]
    assert record["memory"]["gpu_measured_mib"] == {"train": 3.0, "segment": 3.0}  # of no stage that uses no GPU
    assert {"reset_peak_memory_stats", "set_per_process_memory_fraction", "pin_memory"} <= set(on_second.cuda.calls)
    assert on_second.cuda.used == {1}


def test_a_stage_that_uses_no_gpu_does_not_begin_it(on_second):
    assert on_second.begun["prepare"] is False
    assert on_second.begun["train"] is True


def test_a_run_on_the_cpu_leaves_the_gpus_alone(on_cpu):
    assert on_cpu.result.failed == {}
    assert not on_cpu.cuda.begun


def test_two_gpus_share_the_trainings_and_what_computes_on_cores_begins_neither(tiny, on_cpu, monkeypatch, tmp_path):
    monkeypatch.setattr(workers, "start_worker", partial(start_worker_with_stand_in, folder=tmp_path))
    result = on_the_stand_in(tiny, "auto", workers=1, gpu_workers=1, vram_bytes=8_000_000_000).result
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
    assert results(on_cpu.result.folder) == results(result.folder)
