"""Which numbers a recipe's networks compute in."""

import pytest

from pnetkit import networks
from pnetkit.errors import RecipeError
from pnetkit.networks import best_precision, is_emulated
from pnetkit.pipeline.device_fit import fit_to_device
from pnetkit.recipe.models import Recipe


def recipe(training: str, inference: str) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "r",
            "backbone": {"plugin": "s4c"},
            "classifier": {"plugin": "voxel-count"},
            "fusion": {"plugin": "or"},
            "training": {"precision": training},
            "inference": {"precision": inference},
        }
    )


def on_a_processor(monkeypatch: pytest.MonkeyPatch, *, bf16: bool) -> None:
    monkeypatch.setattr(networks, "_computes_in_bf16", lambda _: bf16)
    monkeypatch.setattr("pnetkit.pipeline.device_fit.is_emulated", lambda _, wanted: wanted != "fp32" and not bf16)


def test_auto_is_bf16_where_the_device_computes_in_it(monkeypatch):
    on_a_processor(monkeypatch, bf16=True)
    settled = fit_to_device(recipe("fp32", "auto"), "cpu")
    assert (settled.training.precision, settled.inference.precision) == ("fp32", "bf16")


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


def test_what_a_recipe_says_is_left_alone_where_it_can_be_had(monkeypatch):
    on_a_processor(monkeypatch, bf16=True)
    said = recipe("bf16", "fp32")
    assert fit_to_device(said, "cpu") == said


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
