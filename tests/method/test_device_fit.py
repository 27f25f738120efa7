"""Which numbers a recipe's networks compute in."""

import math

import pytest

from pnetkit import networks
from pnetkit.errors import RecipeError
from pnetkit.method.device_fit import fewest_windows, fit_to_device, precision_hint
from pnetkit.networks import best_precision, is_emulated
from pnetkit.recipe.models import Recipe
from tests.cuda_stand_in import CudaStandIn


def recipe(training: str, inference: str, **settings: object) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "r",
            "backbone": {"plugin": "s4c"},
            "classifier": {"plugin": "voxel-count"},
            "fusion": {"plugin": "or"},
            "training": {"precision": training},
            "inference": {"precision": inference, "batch_size": 3} | settings,
        }
    )


def on_a_processor(monkeypatch: pytest.MonkeyPatch, *, bf16: bool) -> None:
    monkeypatch.setattr(networks, "_computes_in_bf16", lambda _: bf16)
    monkeypatch.setattr("pnetkit.method.device_fit.is_emulated", lambda _, wanted: wanted != "fp32" and not bf16)


def test_auto_is_bf16_where_the_device_computes_in_it(monkeypatch):
    on_a_processor(monkeypatch, bf16=True)
    settled = fit_to_device(recipe("fp32", "auto"), "cpu")
    assert (settled.training.precision, settled.inference.precision) == ("fp32", "bf16")


def test_a_gpu_that_is_asked_for_fp32_is_said_to_have_faster_arithmetic():
    assert "in tf32 and a sixteenth in bf16" in precision_hint(recipe("fp32", "fp32"), "cuda:0")
    for precision, device in (("fp32", "cpu"), ("bf16", "cuda:0"), ("auto", "cuda:0"), ("fp32", "mps")):
        assert precision_hint(recipe(precision, "fp32"), device) is None


def test_auto_is_fp32_elsewhere(monkeypatch):
    on_a_processor(monkeypatch, bf16=False)
    settled = fit_to_device(recipe("auto", "auto"), "cpu")
    assert (settled.training.precision, settled.inference.precision) == ("fp32", "fp32")


def test_a_precision_that_would_be_emulated_is_refused_by_name(monkeypatch):
    on_a_processor(monkeypatch, bf16=False)
    with pytest.raises(RecipeError) as caught:
        fit_to_device(recipe("bf16", "fp16"), "cpu")
    assert "training.precision: is bf16" in str(caught.value)
    assert "inference.precision: is fp16" in str(caught.value)
    assert "auto" in str(caught.value)


def test_a_precision_of_training_is_no_fault_where_nothing_is_trained(monkeypatch):
    on_a_processor(monkeypatch, bf16=False)
    settled = fit_to_device(recipe("bf16", "auto"), "cpu", training=False)
    assert (settled.training.precision, settled.inference.precision) == ("bf16", "fp32")


@pytest.mark.parametrize(("device", "major"), [("cpu", 9), ("cuda:0", 7)])
def test_tf32_is_refused_where_there_is_none(monkeypatch, device, major):
    CudaStandIn(major=major).install(monkeypatch)
    with pytest.raises(RecipeError) as caught:
        fit_to_device(recipe("tf32", "tf32"), device)
    assert f"training.precision: is tf32, which {device} does not compute in; only NVIDIA's GPUs" in str(caught.value)
    assert "inference.precision: is tf32" in str(caught.value)


def test_tf32_is_taken_where_it_can_be_had_and_is_never_the_choice_of_auto(monkeypatch):
    CudaStandIn(major=9).install(monkeypatch)
    settled = fit_to_device(recipe("tf32", "auto"), "cuda:0")
    assert (settled.training.precision, settled.inference.precision) == ("tf32", "bf16")


def test_what_a_recipe_says_is_left_alone_where_it_can_be_had(monkeypatch):
    on_a_processor(monkeypatch, bf16=True)
    said = recipe("bf16", "fp32")
    assert fit_to_device(said, "cpu") == said


@pytest.mark.parametrize(
    ("device", "window", "windows"),
    [
        ("cpu", (64, 64, 64), 2),
        ("cuda:0", (64, 64, 64), 16),
        ("mps", (96, 96, 96), 4),
        ("cuda:0", (256, 256, 256), 1),
        ("cuda:0", (32, 32, 32), 64),
    ],
)
def test_a_gpu_is_given_as_many_windows_as_keep_it_busy_and_a_cpu_two(device, window, windows):
    settled = fit_to_device(recipe("fp32", "fp32", batch_size="auto", window_size=window), device)
    assert settled.inference.batch_size == settled.inference.windows_at_once == windows


def test_a_batch_that_a_recipe_names_is_taken_on_every_device():
    for device in ("cpu", "cuda:0"):
        assert fit_to_device(recipe("fp32", "fp32"), device).inference.windows_at_once == 3


@pytest.mark.parametrize(
    ("settings", "windows"),
    [({}, 2), ({"precision": "bf16"}, 1), ({"precision": "auto"}, 1), ({"runtime": "openvino"}, 1)],
)
def test_a_window_is_run_alone_on_a_cpu_only_where_torch_computes_it_as_in_company(monkeypatch, settings, windows):
    on_a_processor(monkeypatch, bf16=True)
    for said in (1, "auto"):
        settled = fit_to_device(recipe("fp32", "fp32", batch_size=said, **settings), "cpu")
        assert settled.inference.windows_at_once == fewest_windows(settled, "cpu") == windows
    assert fit_to_device(recipe("fp32", "fp32", batch_size=1), "cuda:0").inference.windows_at_once == 1


def test_without_a_window_size_a_batch_is_that_of_training_patches():
    said = recipe("fp32", "fp32", batch_size="auto")
    assert said.inference.windows_at_once == 1  # not fitted
    assert fit_to_device(said, "cuda:0").inference.windows_at_once == 16 * 64**3 // math.prod(said.training.patch_size)


def test_nothing_is_emulated_in_fp32_or_on_an_accelerator():
    assert not is_emulated("cpu", "fp32")
    assert not is_emulated("cuda:0", "bf16")
    assert not is_emulated("mps", "fp16")


def test_the_best_precision_of_this_processor_is_one_that_it_does_not_emulate():
    assert not is_emulated("cpu", best_precision("cpu"))


def test_a_runtime_for_the_cpu_is_refused_on_another_device():
    said = recipe("fp32", "fp32")
    said = said.model_copy(update={"inference": said.inference.model_copy(update={"runtime": "openvino"})})
    assert fit_to_device(said, "cpu") == said
    with pytest.raises(RecipeError, match=r"inference\.runtime: is openvino, which runs on the CPU"):
        fit_to_device(said, "cuda:0")
