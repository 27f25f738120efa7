"""Tests of pnetkit.recipe.check: every fault at once, with file, line and suggestion."""

import re
from pathlib import Path

import pytest
import yaml

from pnetkit.errors import RecipeError
from pnetkit.recipe.check import load_recipe, recipe_schema, resolved, to_yaml

RECIPES = Path(__file__).parents[2] / "recipes"
MINIMAL = """\
name: minimal
backbone: {plugin: s4c}
classifier: {plugin: voxel-count}
fusion: {plugin: or}
"""


@pytest.fixture
def recipe(tmp_path):
    def write(text):
        (tmp_path / "r.yaml").write_text(text)
        return tmp_path / "r.yaml"

    return write


def faults(path, **options):
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, **options)
    return [str(fault) for fault in caught.value.faults]


def test_defaults_are_the_paper_s(recipe):
    loaded = load_recipe(recipe(MINIMAL)).recipe
    training = loaded.training
    assert (training.iterations, training.batch_size, training.patch_size) == (80000, 16, (64, 64, 64))
    assert (training.learning_rate, training.poly_power, training.momentum) == (0.01, 0.9, 0.9)
    assert (training.weight_decay, loaded.inference.stride, loaded.cohort.folds) == (5e-4, 20, 4)
    assert loaded.intensity.window_hu == (-100, 240)
    assert loaded.phases == ("arterial", "venous")


def test_every_fault_is_listed_with_its_line_and_a_suggestion(recipe):
    text = """\
name: Bad Name
backbone:
  plugin: s4c
  params: {widht: 8}
trainng: {}
training:
  iterations: "many"
  batch_size: 0
classifier:
  plugin: voxel-cuont
fusion: {plugin: or, params: {missing: perhaps}}
"""
    found = faults(recipe(text))
    assert [line.partition(": ")[0] for line in found] == [f"r.yaml:{n}" for n in (1, 4, 5, 7, 8, 10, 11)]
    assert found[1] == "r.yaml:4: backbone.params.widht: unknown key. Did you mean 'width'?"
    assert "trainng: unknown key. Did you mean 'training'" in found[2]
    assert "got 'many'" in found[3]
    assert "Did you mean 'voxel-count'" in found[5]
    assert "'present' or 'refuse'" in found[6]


def test_missing_sections_are_named(recipe):
    found = faults(recipe("name: x\n"))
    assert [line.split(": ")[1] for line in found] == ["backbone", "classifier", "fusion"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("inference: {stride: 65}\n", "larger than the window"),
        ("inference: {stride: 20, coarse: {inset_voxels: 23}}\n", "leaves less of the window"),
        (
            "inference: {stride: 20, coarse: {inset_voxels: 16, region_stride: 40}}\n",
            "region_stride 40 is larger than what inset_voxels 16 leaves",
        ),
        ("intensity: {window_hu: [240, -100]}\n", "lower bound first"),
        ("phases: [arterial, arterial]\n", "each once"),
        ("phases: [../up]\n", "one plain word"),
        ("cohort: {labels: {10: 7}}\n", "labels are mapped to 0 background"),
        ("training: {batch_size: 3, accumulation: 2}\n", "cannot be split into 2"),
        ("training: {seed: 1, repeat_seeds: [2, 1]}\n", "has to differ from seed 1"),
        ("training: {learning_rate: true}\n", "training.learning_rate"),
        ("training: {optimizer: adam}\n", "training.optimizer: input should be 'sgd' or 'adamw', got 'adam'"),
        ("training: {optimizer: adamw, nesterov: true}\n", "nesterov True is of SGD, and the optimizer is adamw"),
        (
            "training: {optimizer: adamw, momentum: 0.99}\n",
            "momentum 0.99 is of SGD, and the optimizer is adamw; leave",
        ),
        ("training: {schedule: cosine, poly_power: 2}\n", "poly_power 2.0 is of the schedule poly"),
        ("training: {iterations: 50, warmup_iterations: 50}\n", "warmup_iterations 50 leave nothing of the 50"),
        ("training: {dice_over: batch}\n", "dice_over batch is of the loss dice-cross-entropy"),
        ("training: {loss: dice-cross-entropy, focal_gamma: 1}\n", "focal_gamma 1.0 is of the loss focal"),
        ("training: {class_weights: [1, -1, 1, 1]}\n", "training.class_weights.1: input should be greater than or"),
        ("training: {patch_size: [64, 64]}\n", "training.patch_size"),
        (
            "training: {mixed_patches: [{size: [32, 32, 32], share: 0.6}, {size: [8, 8, 8], share: 0.5}]}\n",
            "more than 1",
        ),
        ("inference: {window_weights: gaussian}\n", "needs combine 'mean-softmax' or 'mean-logits': votes are"),
        (
            "inference: {window_center: [4, 4, 4]}\n",
            "window_center is of window_weights 'gaussian', which are 'uniform'",
        ),
        ("inference: {test_time: mirror}\ntraining: {flips: false}\n", "have seen mirrored patches"),
        ("inference: {test_time: mirror}\ntraining: {augmentation: none}\n", "Set training.flips: true"),
    ],
)
def test_settings_that_cannot_be_are_refused(recipe, more, reason):
    assert any(reason in line for line in faults(recipe(MINIMAL + more)))


def test_label_mappings_keep_their_numbers(recipe):
    assert load_recipe(recipe(MINIMAL + "cohort: {labels: {10: 1, 7: 2}}\n")).recipe.cohort.labels == {10: 1, 7: 2}


def test_a_label_value_may_be_ignored_and_stays_so_when_the_recipe_is_read_again(recipe):
    loaded = load_recipe(recipe(MINIMAL + "cohort: {labels: {1: 1, 7: ignore}}\n"))
    assert loaded.recipe.cohort.labels == {1: 1, 7: 255}
    again = load_recipe(recipe(MINIMAL + f"cohort: {{labels: {loaded.recipe.cohort.labels}}}\n"))
    assert again.recipe.cohort.labels == {1: 1, 7: 255}
    (fault,) = faults(recipe(MINIMAL + "cohort: {labels: {1: 1, 7: 4}}\n"))
    assert "or ignore; got [4]" in fault


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_recipe_and_each_of_its_profiles_is_sound(path):
    loaded = load_recipe(path)
    assert loaded.recipe.name == path.stem
    assert "demo" in loaded.profiles
    demo = load_recipe(path, "demo").recipe
    assert demo.cohort.phantom is not None
    assert demo.backbone.plugin == loaded.recipe.backbone.plugin


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda p: p.stem)
def test_a_resolved_recipe_read_again_is_the_same_recipe(path, tmp_path):
    text = to_yaml(resolved(load_recipe(path, "demo").recipe))
    (tmp_path / "again.yaml").write_text(text)
    assert to_yaml(resolved(load_recipe(tmp_path / "again.yaml").recipe)) == text
    assert yaml.safe_load(text)["training"]["weight_decay"] < 1e-3  # readers of YAML 1.1 see a number too


def test_the_recipe_of_the_paper_has_the_paper_s_numbers():
    recipe = load_recipe(RECIPES / "s4c_dual.yaml").recipe
    data = resolved(recipe)
    assert data["backbone"]["params"]["width"] == 32
    assert data["classifier"]["params"] == {
        "tumor_voxels": 40, "duct_voxels": 500, "tumor_mm3": None, "duct_mm3": None
    }  # fmt: skip
    assert data["postprocess"][0]["params"]["gap_voxels"] == 27
    assert data["postprocess"][0]["params"]["minimum_fraction"] == 0.2
    assert data["training"]["iterations"] == 80000


def test_the_schema_for_editors_knows_every_section():
    assert {"name", "training", "backbone", "extends", "profiles"} <= recipe_schema()["properties"].keys()


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ("{both: {phases: [arterial]}}", r"inputs name the phases \['arterial'\]"),
        ("{both: {phases: [arterial, late]}}", "'late'"),
        ("{both: {phases: []}}", "one or more phases"),
        ("{}", "one or more inputs"),
        ("{'two words': {phases: [arterial, venous]}}", "one plain word"),
    ],
)
def test_inputs_have_to_be_made_of_the_recipes_phases(inputs, said):
    with pytest.raises(RecipeError, match="fault") as caught:
        load_recipe(RECIPES / "s4c_dual.yaml", overrides=[f"inputs={inputs}"])
    assert any(re.search(said, str(fault)) for fault in caught.value.faults), caught.value.faults
