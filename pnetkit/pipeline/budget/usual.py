"""Propose how a network is trained: as its makers usually do, which the backbone says, made to fit the recipe."""

from collections.abc import Mapping
from typing import Any

from pnetkit.errors import PluginError, did_you_mean
from pnetkit.interfaces import Backbone, UsuallyTrainedBackbone
from pnetkit.recipe.models import Recipe, TrainingSettings

BELONGS = {
    "momentum": ("optimizer", "sgd"),
    "nesterov": ("optimizer", "sgd"),
    "poly_power": ("schedule", "poly"),
    "dice_over": ("loss", "dice-cross-entropy"),
    "focal_gamma": ("loss", "focal"),
}
"""Settings that another one has to be there for; where it is not, they go back to their default."""

MOST_WARMUP = 0.1
"""Largest share of the steps that a warm-up may take: what is usual was chosen for trainings of their own length."""


def usual_training(recipe: Recipe, network: Backbone) -> tuple[dict[str, Any], list[str]]:
    """Give the settings of `training` in which a recipe differs from what its network is usually trained with, and why.

    Raises PluginError where the backbone names a key that the section does not have.
    """
    plugin = recipe.backbone.plugin
    if not isinstance(network, UsuallyTrainedBackbone):
        return {}, [f"Training: {plugin} does not say what it is usually trained with, so it stays the recipe's."]
    usual, given = dict(network.usual_training), recipe.training.model_dump(mode="json")
    unknown = [key for key in usual if key not in given]
    if unknown:
        raise PluginError(
            f"The backbone {plugin!r} says that it is usually trained with {unknown[0]!r}, which is no key of the "
            f"section training.{did_you_mean(unknown[0], given)} Tell its authors."
        )
    why = []
    if "warmup_iterations" in usual:
        most = int(MOST_WARMUP * recipe.training.iterations)
        if usual["warmup_iterations"] > most:
            why.append(f"The warm-up is a tenth of the {recipe.training.iterations:,} steps, less than is usual.")
        usual["warmup_iterations"] = min(usual["warmup_iterations"], most)
    wanted = given | usual
    for key, (other, value) in BELONGS.items():
        if wanted[other] != value:
            wanted[key] = TrainingSettings.model_fields[key].default
    proposed = {key: value for key, value in wanted.items() if value != given[key]}
    if not proposed:
        return {}, [f"Training: the recipe's is what {plugin} is usually trained with."]
    changed = ", ".join(f"{key} {_plain(value)} (was {_plain(given[key])})" for key, value in proposed.items())
    first = f"Training: what {plugin} is usually trained with, beside the recipe's: {changed}."
    last = "Compared with an arm that keeps the recipe's training, it is not the networks alone that are compared."
    return proposed, [first, *why, last, *_mirroring(recipe, wanted)]


def _mirroring(recipe: Recipe, training: Mapping[str, Any]) -> list[str]:
    """Say what could be had at a price that nobody should pay unasked."""
    if recipe.inference.test_time == "mirror" or not training["flips"] or training["augmentation"] != "strong":
        return []
    return [
        "Not proposed: inference.test_time mirror, with which it is usually tested, at eight times the time of a scan."
    ]


def _plain(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
