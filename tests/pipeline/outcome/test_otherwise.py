"""Where arms differ in training or testing is said under the tables."""

from pathlib import Path

from pnetkit.pipeline.outcome.otherwise import told_apart, trained_otherwise, with_weights_named
from pnetkit.recipe.check import load_recipe, resolved

RECIPES = Path(__file__).parents[3] / "recipes"


def of(name, *sets):
    return resolved(load_recipe(RECIPES / f"{name}.yaml", overrides=sets).recipe)


def test_arms_that_differ_in_their_networks_alone_are_not_told_apart():
    assert told_apart({"s4c": of("s4c_dual"), "vnet": of("vnet_dual"), "and": of("ablations/and_fusion")}) == []
    tries = {"one": of("s4c_dual"), "two": of("s4c_dual", "training.seed=7", "training.accumulation=4")}
    assert told_apart(tries) == []


def test_what_differs_is_told_with_each_value_and_whose_it_is():
    arms = {"a": of("s4c_dual"), "b": of("strong/s4c_strong"), "c": of("strong/nnunet_residual_strong")}
    trained, tested = told_apart(arms)
    assert trained.startswith("TRAINED OTHERWISE, so it is not the networks alone that are compared: ")
    assert "augmentation paper (a), strong (b, c); " in trained
    assert "momentum 0.9 (a), 0.99 (b, c)" in trained
    assert "gradient clip none (a), 12 (b, c)" in trained
    assert "iterations" not in trained  # equal steps
    assert tested == (
        "Tested otherwise: stride 20 (a), 32 (b, c); combine vote (a), mean-softmax (b, c); window weights uniform "
        "(a), gaussian (b, c); test time none (a), mirror (b, c)."
    )


def test_arms_at_another_spacing_or_whose_rules_see_other_voxels_are_told_apart():
    at = ["preprocess.spacing_mm=[1, 1, 2.5]"]
    trained, tested = told_apart({"a": of("s4c_dual"), "b": of("s4c_dual", *at, "preprocess.rules_on=network")})
    assert "spacing mm none (a), 1 x 1 x 2.5 (b)" in trained
    assert tested == "Tested otherwise: rules on the scan's voxels (a), the network's voxels (b)."


def test_weights_are_told_apart_by_their_digest_and_not_by_the_folder_in_which_they_lay():
    def arm(folder, digest):
        recipe = of("s4c_dual")
        recipe["training"]["start_from"] = {"weights": folder, "part": "all"}
        return with_weights_named(recipe, {"started_from": [{"name": "ts", "sha256": digest * 32}]})

    assert told_apart({"a": arm("/home/one/ts", "ab"), "b": arm("/data/ts", "ab")}) == []
    (said,) = told_apart({"a": arm("/home/one/ts", "ab"), "b": arm("/home/one/ts", "cd")})
    assert "weights ts (SHA-256 abababababab), part all (a), weights ts (SHA-256 cdcdcdcdcdcd), part all (b)" in said
    assert "home" not in said


def test_a_recipe_that_was_written_before_a_setting_was_there_has_its_default():
    old = of("s4c_dual")
    for key in ("augmentation", "loss", "optimizer"):
        del old["training"][key]
    del old["inference"]["test_time"], old["preprocess"]
    assert told_apart({"old": old, "new": of("s4c_dual")}) == []
    (said,) = told_apart({"old": old, "new": of("s4c_dual", "preprocess.spacing_mm=1.5")})
    assert said.endswith("compared: spacing mm none (old), 1.5 x 1.5 x 1.5 (new).")


def test_a_training_that_is_not_the_papers_is_told_of_one_run_too_and_the_papers_and_its_demo_are_not():
    strong = load_recipe(RECIPES / "strong" / "mednext_strong.yaml").recipe
    assert trained_otherwise(strong) == (
        "Not the paper's training: augmentation strong, optimizer adamw, loss dice-cross-entropy, learning rate 0.001, "
        "weight decay 3e-05, gradient clip 12."
    )
    for profile in (None, "demo"):
        assert trained_otherwise(load_recipe(RECIPES / "s4c_dual.yaml", profile).recipe) == ""
