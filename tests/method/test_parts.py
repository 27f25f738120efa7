"""Parts of a recipe: sizes, and whether its plugins fit each other."""

import json
from pathlib import Path

import pytest

from pnetkit.errors import PluginError, RecipeError
from pnetkit.method.parts import LATER_TRAINING_KEYS, take_apart
from pnetkit.pipeline.stages.train import training_plan
from pnetkit.recipe.check import load_recipe
from pnetkit.recipe.models import MixedPatchSettings, PluginChoice, WatchSettings

RECIPE = Path(__file__).parents[2] / "recipes" / "s4c_dual.yaml"

PLUGINS = """
from torch import nn
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec, FeatureNeeds, FeatureSpec

class Net(nn.Module):
    def __init__(self, *, in_channels: int = 1, num_classes: int = 4, one_size: bool = True):
        super().__init__()
        maps = {"pool3": FeatureSpec(8, (8, 8, 8), context_voxels=(13, 13, 13))}
        only = (24, 24, 16) if one_size else None
        self.spec = BackboneSpec(in_channels, num_classes, (8, 8, 8), maps, only_size=only)
        self.one = nn.Sequential(nn.Conv3d(in_channels, num_classes, 1), nn.Identity())

    def forward(self, x):
        return BackboneOutput(self.one(x))

    def encode(self, x, features):
        return {}

class Needs:
    def __init__(self, *, channels: int = 8):
        self.needs = FeatureNeeds(("pool3",), channels=channels)

    def classify(self, evidence):
        raise NotImplementedError
"""


@pytest.fixture
def recipe(install):
    install(
        "acme-net", "acme_net", PLUGINS, backbone={"acme": "acme_net:Net"}, case_classifier={"needs": "acme_net:Needs"}
    )
    given = load_recipe(RECIPE).recipe
    return given.model_copy(
        update={
            "backbone": PluginChoice(plugin="acme"),
            "training": given.training.model_copy(update={"patch_size": (24, 24, 16)}),
        }
    )


def with_training(recipe, **changed):
    return recipe.model_copy(update={"training": recipe.training.model_copy(update=changed)})


def test_a_recipe_of_a_network_s_only_size_is_taken(recipe):
    assert take_apart(recipe, {}).inference["window_size"] == [24, 24, 16]


@pytest.mark.parametrize(
    ("fusion", "said"),
    [
        ({"plugin": "single"}, "'single' cannot fuse the recipe's inputs (both): phase 'venous' is none of both"),
        ({"plugin": "k-of-n"}, "'k-of-n' cannot fuse the recipe's inputs (both): k is 2"),
        ({"plugin": "mistaken"}, "'mistaken' cannot fuse the recipe's inputs (both): ZeroDivisionError"),
    ],
)
def test_a_fusion_that_refuses_every_case_is_refused_before_anything_is_made(install, fusion, said):
    mistaken = "class Mistaken:\n    def fuse(self, case_id, findings, *, expected):\n        return 1 // 0\n"
    install("acme-mistaken", "acme_mistaken", mistaken, phase_fusion={"mistaken": "acme_mistaken:Mistaken"})
    sets = ["inputs.both={phases: [venous, arterial], resample: true}", f"fusion={json.dumps(fusion)}"]
    with pytest.raises(RecipeError) as caught:
        take_apart(load_recipe(RECIPE, overrides=sets).recipe, {})
    (fault,) = caught.value.faults
    assert fault.where == "fusion"
    assert said in fault.message
    fitting = load_recipe(RECIPE, overrides=[sets[0], "fusion={plugin: single, params: {phase: both}}"]).recipe
    assert take_apart(fitting, {}).fusion["params"] == {"phase": "both"}


def test_every_other_size_of_patch_or_window_is_refused_by_its_key(recipe):
    with pytest.raises(PluginError, match=r"training\.patch_size is \(48, 24, 16\).*no other size than \(24, 24, 16\)"):
        take_apart(with_training(recipe, patch_size=(48, 24, 16)), {})
    mixed = (MixedPatchSettings(size=(32, 32, 32), share=0.5),)
    with pytest.raises(PluginError, match=r"mixed_patches\.size is \(32, 32, 32\).*no other size"):
        take_apart(with_training(recipe, mixed_patches=mixed), {})
    window = recipe.inference.model_copy(update={"window_size": (32, 32, 32)})
    with pytest.raises(
        PluginError, match=r"inference\.window_size is \(32, 32, 32\).*Set inference\.window_size to \[24,"
    ):
        take_apart(recipe.model_copy(update={"inference": window}), {})


def test_settings_that_are_newer_than_stores_are_in_keys_where_they_are_used_alone():
    plain = take_apart(load_recipe(RECIPE).recipe, {})
    assert "augmentation" not in plain.training
    assert {"test_time", "window_weights"}.isdisjoint(plain.inference)
    sets = ["training.augmentation=strong", "inference.test_time=mirror", "inference.combine=mean-softmax"]
    strong = take_apart(load_recipe(RECIPE, overrides=[*sets, "inference.window_weights=gaussian"]).recipe, {})
    assert strong.training == plain.training | {"augmentation": "strong"}
    assert strong.inference["test_time"] == "mirror"
    assert strong.inference["window_weights"] == "gaussian"


def test_a_classifier_that_looks_at_boxes_does_not_go_with_a_network_of_one_size(recipe):
    chosen = recipe.model_copy(update={"classifier": PluginChoice(plugin="needs")})
    with pytest.raises(RecipeError, match=r"box, but the backbone 'acme' takes \(24, 24, 16\) alone"):
        take_apart(chosen, {})


@pytest.mark.parametrize(("channels", "fits"), [(8, True), (1, False)])
def test_a_classifier_s_maps_have_to_have_its_channels(recipe, channels, fits):
    of_any_size = {"backbone": PluginChoice(plugin="acme", params={"one_size": False})}
    needs = {"classifier": PluginChoice(plugin="needs", params={"channels": channels})}
    chosen = recipe.model_copy(update=of_any_size | needs)
    if fits:
        assert take_apart(chosen, {}).needs.channels == 8
    else:
        with pytest.raises(RecipeError, match="needs maps of 1 channels, pool3 of 'acme' has 8"):
            take_apart(chosen, {})


LATER = {
    "augmentation": "strong",
    "optimizer": "adamw",
    "schedule": "cosine",
    "warmup_iterations": 5,
    "decay": "weights",
    "loss": "dice-cross-entropy",
    "dice_over": "batch",
    "focal_gamma": 1.0,
    "average_decay": 0.99,
    "gradient_checkpointing": True,
    "watch": WatchSettings(patients=1, patches=4, every=10),
}
"""Another value than the default of each setting that came after the first results."""


def as_json(value):
    return value.model_dump(mode="json") if isinstance(value, WatchSettings) else value


def test_a_later_setting_at_its_default_is_in_no_key_and_changes_no_plan(recipe):
    training = take_apart(recipe, {}).training
    assert set(LATER) == set(LATER_TRAINING_KEYS)
    assert set(training).isdisjoint(LATER)
    defaults = {key: getattr(recipe.training, key) for key in LATER}
    every = training_plan(training | defaults, checkpoint_every=9)
    assert training_plan(training, checkpoint_every=9) == every  # the plan's own defaults are the recipe's


@pytest.mark.parametrize("key", LATER)
def test_a_later_setting_that_is_given_is_in_the_key_and_reaches_the_plan(recipe, key):
    plain, given = (take_apart(of, {}).training for of in (recipe, with_training(recipe, **{key: LATER[key]})))
    assert given == plain | {key: as_json(LATER[key])}
    assert training_plan(given, checkpoint_every=9) != training_plan(plain, checkpoint_every=9)
