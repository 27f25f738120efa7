"""Tests of pnetkit.pipeline.budget.fit: workers that fit, refusals in words, and whether a budget was kept."""

import pytest

from pnetkit.errors import RecipeError
from pnetkit.pipeline.budget.fit import Fit, after_run, fitted
from pnetkit.pipeline.budget.ram import StageMemory
from pnetkit.pipeline.engine.machine import Machine
from tests.nodes import a_node
from tests.pipeline.conftest import NETWORK, fit_budget


def largest(fit):
    return max(stage.bytes for stage in fit.stages)


@pytest.mark.slow
def test_as_many_workers_as_fit_are_taken_and_no_more_than_wanted(request_for):
    one = largest(fit_budget(request_for(workers=8), device="cpu"))
    own = 464 * 2**20
    for fits in (1, 3, 8, 20):
        fit = fit_budget(request_for(workers=8, ram_bytes=own + fits * one + one // 2), device="cpu")
        assert fit.machine.workers == min(fits, 8)
        assert fit.machine.workers * fit.worker_bytes + own <= own + fits * one + one // 2
        assert f"allow {fit.machine.workers} worker" in fit.lines[-1]


def test_where_not_even_one_worker_fits_it_is_refused_with_stage_amounts_and_remedy(request_for):
    with pytest.raises(RecipeError, match=r"train: predicted .* GB for one worker, of 0.90 GB \(--ram\)") as caught:
        fit_budget(request_for("inference.batch_size=1", "training.batch_size=64", ram_bytes=900_000_000), device="cpu")
    assert "training.accumulation" in str(caught.value)


def test_fewer_windows_at_once_are_taken_before_a_run_is_refused(request_for):
    request = request_for("inference.batch_size=64", workers=4, ram_bytes=3_000_000_000)
    fit = fit_budget(request, device="cpu")
    assert 1 <= fit.batch_size < 64
    assert fit.machine.workers == 1
    assert "no label changes" in fit.lines[-1]
    changed = fitted(request, fit).loaded.recipe
    assert changed.inference.batch_size == fit.batch_size
    assert changed.training == request.loaded.recipe.training


def test_a_batch_that_fits_is_left_as_the_recipe_says_it(request_for):
    for said in ("auto", "8"):
        request = request_for(f"inference.batch_size={said}", workers=1, ram_bytes=30_000_000_000)
        fit = fit_budget(request, device="cpu")
        assert fit.batch_size is None
        assert fitted(request, fit).loaded.recipe == request.loaded.recipe


def test_windows_on_a_gpu_take_none_of_the_main_memory(request_for):
    def segmenting(batch, device):
        fit = fit_budget(request_for(f"inference.batch_size={batch}", workers=1), device=device)
        return next(stage.bytes for stage in fit.stages if stage.stage == "segment")

    assert segmenting(64, "cpu") > segmenting(1, "cpu") + 32 * NETWORK.window_bytes
    assert segmenting(64, "cuda:0") == segmenting(1, "cuda:0")


def test_a_batch_that_could_change_a_result_is_not_changed(request_for):
    request = request_for("inference.batch_size=64", "inference.combine=mean-softmax", ram_bytes=3_000_000_000)
    with pytest.raises(RecipeError, match="segment: predicted"):
        fit_budget(request, device="cpu")


def test_a_training_shared_by_processes_takes_the_memory_of_each_where_they_are_not_workers_of_gpus(request_for):
    def training(device, per_training):
        fit = fit_budget(request_for(workers=1, per_training=per_training), device=device)
        return {stage.stage: stage.bytes for stage in fit.stages}

    one, three = training("cpu", 1), training("cpu", 3)
    assert three == one | {"train": 3 * one["train"]}
    assert training("cuda:0,cuda:1", 2) == training("cuda:0,cuda:1", 1)


def test_in_one_process_the_bare_process_counts_once(request_for):
    one = largest(fit_budget(request_for(workers=0), device="cpu"))
    enough = 464 * 2**20 + one - NETWORK.bare_bytes
    assert fit_budget(request_for(workers=0, ram_bytes=enough), device="cpu").machine.workers == 0
    with pytest.raises(RecipeError, match="does not fit the memory"):
        fit_budget(request_for("inference.batch_size=1", workers=1, ram_bytes=enough // 2), device="cpu")


def test_without_a_gpu_a_gpu_s_budget_is_said_to_change_nothing(request_for):
    fit = fit_budget(request_for(vram_bytes=10), device="cpu")
    assert fit.lines[0].startswith("--vram: nothing runs on a GPU (the device is cpu)")


def test_a_budget_that_was_passed_names_the_stage_that_raised_the_peak_and_no_other():
    train, measure = a_node("train"), a_node("measure", "P1")
    peaks = {train.key: (300.0, 900.0), measure.key: (900.0, 900.0)}
    fit = Fit(Machine(1), 1, (StageMemory("train", 500 * 2**20),), 600 * 2**20, None, None, ())
    record, line = after_run(fit, [train, measure], peaks)
    assert record["exceeded"] == [{"stage": "train", "label": "venous fold 0", "peak_mib": 900.0}]
    assert "EXCEEDED. train of venous fold 0 held 900 MiB, more than the 600 MiB" in line
    kept, line = after_run(Fit(Machine(1), 1, fit.stages, 1000 * 2**20, None, None, ()), [train, measure], peaks)
    assert kept["exceeded"] == []
    assert kept["measured_mib"] == {"train": 900.0}
    assert line.startswith("Memory: kept. A worker held 900 MiB at most (train of venous fold 0)")


def test_workers_of_gpus_and_of_cores_share_the_memory_and_give_way_in_turn(request_for):
    request = request_for(workers=6)
    by_stage = {stage.stage: stage.bytes for stage in fit_budget(request, device="cuda:0,cuda:1").stages}
    on_gpu = max(by_stage["train"], by_stage["segment"])
    on_cores = max(size for name, size in by_stage.items() if name not in ("train", "segment"))
    own, half = 464 * 2**20, on_cores // 2

    def fits(ram_bytes, **options):
        machine = fit_budget(request_for(workers=6, ram_bytes=ram_bytes, **options), device="cuda:0,cuda:1").machine
        return machine.workers, machine.gpus, machine.a_gpu

    both = ("cuda:0", "cuda:1")
    assert fits(own + 4 * on_gpu + 6 * on_cores) == (6, both, 2)
    assert fits(own + 4 * on_gpu + 2 * on_cores + half) == (2, both, 2)
    assert fits(own + 2 * on_gpu + on_cores + half) == (1, both, 1)
    assert fits(own + on_gpu + on_cores + half) == (1, ("cuda:0",), 1)
    with pytest.raises(RecipeError, match=r"for one worker and .* GB for one beside it"):
        fits(own + on_gpu + half)


def test_what_is_left_over_may_be_taken_in_proportion_by_each_lane(request_for):
    fit = fit_budget(request_for(workers=3, ram_bytes=40_000_000_000), device="cuda:0")
    assert 3 * fit.worker_bytes + 2 * fit.gpu_worker_bytes == pytest.approx(40_000_000_000 - 464 * 2**20, abs=10)
    train, measure = a_node("train"), a_node("measure", "P1")
    passed = {train.key: (0.0, fit.gpu_worker_bytes / 2**20 - 1), measure.key: (0.0, fit.worker_bytes / 2**20 + 1)}
    record, line = after_run(fit, [train, measure], passed)
    assert [of["stage"] for of in record["exceeded"]] == ["measure"]
    assert "EXCEEDED. measure of P1 venous" in line
