"""What a network is usually trained with is proposed, made to fit the recipe, and said."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pnetkit.errors import PluginError
from pnetkit.interfaces import UsuallyTrainedBackbone
from pnetkit.pipeline.budget.usual import usual_training
from pnetkit.recipe.check import load_recipe
from pnetkit.recipe.models import TrainingSettings
from pnetkit.registry import load_factory
from tests.training.conftest import TinyNet

RECIPES = Path(__file__).parents[3] / "recipes"
OF_A_TRANSFORMER = {"optimizer": "adamw", "learning_rate": 1e-4, "schedule": "cosine", "warmup_iterations": 800}


def recipe_with(*sets, name="s4c_dual"):
    return load_recipe(RECIPES / f"{name}.yaml", overrides=sets).recipe


def network_with(usual):
    network = TinyNet()
    network.usual_training = usual
    assert isinstance(network, UsuallyTrainedBackbone)
    return network


def loads(recipe, proposed):
    return TrainingSettings.model_validate(recipe.training.model_dump() | proposed)


def test_what_a_network_is_usually_trained_with_is_proposed_with_what_the_recipe_had():
    recipe = recipe_with()
    proposed, why = usual_training(recipe, network_with(OF_A_TRANSFORMER | {"weight_decay": 5e-4}))
    assert proposed == OF_A_TRANSFORMER  # the weight decay is the recipe's already
    assert "optimizer adamw (was sgd), learning_rate 0.0001 (was 0.01)" in why[0]
    assert "not the networks alone that are compared" in why[-1]
    assert loads(recipe, proposed).warmup_iterations == 800


def test_settings_that_would_no_longer_mean_anything_go_back_to_their_defaults():
    recipe = recipe_with("training.momentum=0.99", "training.nesterov=true", "training.poly_power=1.0")
    proposed, _ = usual_training(recipe, network_with(OF_A_TRANSFORMER))
    assert (proposed["momentum"], proposed["nesterov"], proposed["poly_power"]) == (0.9, False, 0.9)
    loads(recipe, proposed)


def test_a_warm_up_takes_a_tenth_of_a_short_training_at_most():
    recipe = recipe_with("training.iterations=500")
    proposed, why = usual_training(recipe, network_with(OF_A_TRANSFORMER))
    assert proposed["warmup_iterations"] == 50
    assert "The warm-up is a tenth of the 500 steps, less than is usual." in why
    loads(recipe, proposed)


def test_a_network_that_says_nothing_and_a_recipe_that_does_it_already_keep_the_recipe_s():
    proposed, (why,) = usual_training(recipe_with(), TinyNet())
    assert (proposed, why) == (
        {},
        "Training: s4c does not say what it is usually trained with, so it stays the recipe's.",
    )
    already = recipe_with("training.loss=dice-cross-entropy")
    proposed, (why,) = usual_training(already, network_with({"loss": "dice-cross-entropy"}))
    assert (proposed, why) == ({}, "Training: the recipe's is what s4c is usually trained with.")


def test_mirroring_is_told_of_where_training_mirrors_and_not_proposed():
    strong = {"augmentation": "strong"}
    assert "eight times the time of a scan" in usual_training(recipe_with(), network_with(strong))[1][-1]
    mirrored = recipe_with("inference.test_time=mirror")
    assert "eight times" not in usual_training(mirrored, network_with(strong))[1][-1]
    still = recipe_with("training.flips=false")
    assert "eight times" not in usual_training(still, network_with(strong))[1][-1]


def test_a_key_that_recipes_do_not_have_is_an_error_of_the_plugin():
    with pytest.raises(
        PluginError, match=r"'s4c' says .* 'optimiser', which is no key .*'optimizer'\? Tell its authors"
    ):
        usual_training(recipe_with(), network_with({"optimiser": "adamw"}))


@pytest.mark.parametrize(
    ("plugin", "name"),
    [
        ("nnunet-residual", "strong/nnunet_residual_strong"),
        ("monai-mednext", "strong/mednext_strong"),
        ("monai-swinunetr", "strong/swinunetr_strong"),
    ],
)
def test_the_strong_recipes_train_as_their_networks_are_usually_trained(plugin, name):
    usual = SimpleNamespace(**dict(load_factory("backbone", plugin).usual_training))
    trained = recipe_with(name=name).training
    assert {key: getattr(trained, key) for key in vars(usual)} == vars(usual)
