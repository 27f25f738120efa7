"""Networks whose norms see the window are not searched with windows of another size without a word."""

from pathlib import Path

import pytest
from torch import nn

from pnetkit.method.window_norms import norms_of_the_window, window_hint
from pnetkit.recipe.check import load_recipe
from pnetkit.recipe.models import Recipe

RECIPES = Path(__file__).parents[2] / "recipes"


def recipe(plugin="monai-unet", *, window=(32, 32, 32), **training):
    return Recipe.model_validate(
        {
            "name": "r",
            "backbone": {"plugin": plugin, "params": {"width": 4}},
            "classifier": {"plugin": "voxel-count"},
            "fusion": {"plugin": "or"},
            "training": {"patch_size": (16, 16, 16)} | training,
            "inference": {"window_size": window, "stride": 8},
        }
    )


def test_both_sizes_and_the_norm_are_said():
    said = window_hint(recipe())
    assert said.startswith("The InstanceNorm3d of monai-unet takes mean and deviation of the window")
    assert "inference.window_size is [32, 32, 32] and training.patch_size [16, 16, 16]" in said


@pytest.mark.parametrize(
    "of",
    [
        recipe("s4c"),  # batch norms
        recipe(window=None),
        recipe(window=(16, 16, 16)),
        recipe(mixed_patches=({"size": (32, 32, 32), "share": 0.2},)),
        recipe(iterations=0, start_from={"weights": "w", "head": "keep"}),
    ],
    ids=["batch norms", "windows of the patch", "the same size", "some patches are as large", "trained elsewhere"],
)
def test_nothing_is_said_where_nothing_is_lost_or_known(of):
    assert window_hint(of) is None


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (nn.InstanceNorm3d(4), ["InstanceNorm3d"]),
        (nn.InstanceNorm3d(4, track_running_stats=True), []),
        (nn.GroupNorm(2, 4), ["GroupNorm"]),
        (nn.BatchNorm3d(4), []),
        (nn.LayerNorm(4), []),
    ],
)
def test_norms_that_bring_their_statistics_from_the_training_are_none_of_the_window(layer, named):
    assert norms_of_the_window(nn.Sequential(nn.Conv3d(1, 4, 1), layer)) == named


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda p: p.stem)
def test_no_shipped_recipe_or_profile_is_told_so(path):
    for profile in (None, *load_recipe(path).profiles):
        assert window_hint(load_recipe(path, profile).recipe) is None
