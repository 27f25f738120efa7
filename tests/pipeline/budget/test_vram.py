"""Tests of pnetkit.pipeline.budget.vram: what is predicted of a GPU's memory, and what is said afterwards."""

import pytest

from pnetkit.errors import RecipeError
from pnetkit.pipeline.budget import vram
from pnetkit.pipeline.budget.vram import held_on_gpu, vram_needed
from tests.nodes import a_node
from tests.pipeline.conftest import NETWORK, fit_budget


@pytest.mark.slow
def test_a_gpu_s_memory_limits_workers_and_windows_and_too_little_is_refused(request_for):
    needed = vram_needed(request_for().loaded.recipe, NETWORK, batch_size=8)
    fit = fit_budget(request_for(gpu_workers=4, vram_bytes=int(2.5 * max(needed.values()) / 0.8)), device="cuda:0")
    assert fit.machine.gpu_workers == 2
    assert fit.gpu_bytes <= 2.5 * max(needed.values()) / 0.8
    assert "GPU memory: predicted" in fit.lines[0]
    less = fit_budget(request_for(workers=1, vram_bytes=1_000_000_000), device="cuda:0")
    assert less.batch_size < 8
    with pytest.raises(RecipeError, match=r"train: predicted .* of 0.20 GB \(--vram\).*training.accumulation"):
        fit_budget(request_for("training.batch_size=64", vram_bytes=200_000_000, workers=1), device="cuda:0")


def test_half_precision_takes_less_of_a_gpu_for_training_and_for_windows(request_for):
    full, half = (
        vram_needed(
            request_for(f"training.precision={kind}", f"inference.precision={kind}").loaded.recipe,
            NETWORK,
            batch_size=8,
        )
        for kind in ("fp32", "bf16")
    )
    assert full["train"] / 2 < half["train"] < full["train"]  # weights and momentum stay as they are
    assert half["segment"] == full["segment"] // 2


def test_a_training_of_no_steps_takes_nothing_of_a_gpu(request_for, monkeypatch):
    parts = vram.take_apart(request_for().loaded.recipe, {})
    monkeypatch.setattr(vram, "take_apart", lambda *_: parts)  # which would read the weights
    recipe = request_for("training.iterations=0", "training.start_from.weights=theirs").loaded.recipe
    assert vram_needed(recipe, NETWORK, batch_size=8)["train"] == 0
    assert vram_needed(recipe, NETWORK, batch_size=8)["segment"] > 0


def test_the_most_that_workers_held_of_a_gpu_is_said_by_stage_and_beside_what_they_may_take():
    train, segment, measure = (a_node(stage) for stage in ("train", "segment", "measure"))
    peaks = {train.key: 900.0, segment.key: 1200.0}
    record, line = held_on_gpu(2000 * 2**20, [train, segment, measure], peaks)
    assert record == {"gpu_measured_mib": {"train": 900.0, "segment": 1200.0}, "gpu_allowed_mib": 2000.0}
    assert line == (
        "GPU memory: a worker held 1200 MiB at most (segment of venous fold 0), of 2000 MiB that those on one GPU may "
        "take together."
    )
    assert held_on_gpu(None, [train], peaks)[1] == "GPU memory: a worker held 900 MiB at most (train of venous fold 0)."
    assert held_on_gpu(None, [measure], peaks) == ({}, "")


def test_without_a_number_two_scans_share_a_gpu_where_they_fit(request_for):
    batch = "inference.batch_size=8"
    scan = vram_needed(request_for(batch).loaded.recipe, NETWORK, batch_size=8)["segment"]
    for scans, workers in ((2.1, None), (1.9, 1)):
        fit = fit_budget(request_for(batch, vram_bytes=int(scans * scan / 0.8)), device="cuda:0")
        assert (fit.machine.gpu_workers, fit.batch_size) == (workers, None)
