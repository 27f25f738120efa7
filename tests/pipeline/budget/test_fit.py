"""Tests of pnetkit.pipeline.budget.fit: workers that fit, refusals in words, and whether a budget was kept."""

import pytest

from pnetkit.errors import RecipeError
from pnetkit.pipeline.budget.fit import Fit, after_run, fit_budget, fitted
from pnetkit.pipeline.budget.ram import StageMemory
from tests.nodes import a_node
from tests.pipeline.conftest import NETWORK


def largest(fit):
    return max(stage.bytes for stage in fit.stages)


@pytest.mark.slow
def test_as_many_workers_as_fit_are_taken_and_no_more_than_wanted(request_for):
    one = largest(fit_budget(request_for(workers=8), device="cpu"))
    own = 464 * 2**20
    for fits in (1, 3, 8, 20):
        fit = fit_budget(request_for(workers=8, ram_bytes=own + fits * one + one // 2), device="cpu")
        assert fit.workers == min(fits, 8)
        assert fit.workers * fit.worker_bytes + own <= own + fits * one + one // 2
        assert f"allow {fit.workers} worker" in fit.lines[-1]


def test_where_not_even_one_worker_fits_it_is_refused_with_stage_amounts_and_remedy(request_for):
    with pytest.raises(RecipeError, match=r"train: predicted .* GB for one worker, of 0.90 GB \(--ram\)") as caught:
        fit_budget(request_for("inference.batch_size=1", "training.batch_size=64", ram_bytes=900_000_000), device="cpu")
    assert "training.accumulation" in str(caught.value)


def test_fewer_windows_at_once_are_taken_before_a_run_is_refused(request_for):
    request = request_for("inference.batch_size=64", workers=4, ram_bytes=3_000_000_000)
    fit = fit_budget(request, device="cpu")
    assert 1 <= fit.batch_size < 64
    assert fit.workers == 1
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


def test_in_one_process_the_bare_process_counts_once(request_for):
    one = largest(fit_budget(request_for(workers=0), device="cpu"))
    enough = 464 * 2**20 + one - NETWORK.bare_bytes
    assert fit_budget(request_for(workers=0, ram_bytes=enough), device="cpu").workers == 0
    with pytest.raises(RecipeError, match="does not fit the memory"):
        fit_budget(request_for("inference.batch_size=1", workers=1, ram_bytes=enough // 2), device="cpu")


def test_without_a_gpu_a_gpu_s_budget_is_said_to_change_nothing(request_for):
    fit = fit_budget(request_for(vram_bytes=10), device="cpu")
    assert fit.lines[0].startswith("--vram: nothing runs on a GPU (the device is cpu)")


def test_a_budget_that_was_passed_names_the_stage_that_raised_the_peak_and_no_other():
    train, measure = a_node("train"), a_node("measure", "P1")
    peaks = {train.key: (300.0, 900.0), measure.key: (900.0, 900.0)}
    fit = Fit(1, 1, (StageMemory("train", 500 * 2**20),), 600 * 2**20, None, ())
    record, line = after_run(fit, [train, measure], peaks)
    assert record["exceeded"] == [{"stage": "train", "label": "venous fold 0", "peak_mib": 900.0}]
    assert "EXCEEDED. train of venous fold 0 held 900 MiB, more than the 600 MiB" in line
    kept, line = after_run(Fit(1, 1, fit.stages, 1000 * 2**20, None, ()), [train, measure], peaks)
    assert kept["exceeded"] == []
    assert kept["measured_mib"] == {"train": 900.0}
    assert line.startswith("Memory: kept. A worker held 900 MiB at most (train of venous fold 0)")
