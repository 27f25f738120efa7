"""Say where arms were trained or tested otherwise: then it is not the networks alone that are compared."""

import json
from collections.abc import Mapping
from typing import Any

from pnetkit.method.parts import LATER_TRAINING_KEYS
from pnetkit.recipe.inference import InferenceSettings
from pnetkit.recipe.models import Recipe, TrainingSettings
from pnetkit.recipe.preprocess import PreprocessSettings

SAME_NETWORK = {"seed", "repeat_seeds", "accumulation", "checkpoint_every", "gradient_checkpointing", "precision"}
"""Settings of training that are another try, or memory: no other way to train."""

TESTED = ("stride", "window_size", "combine", "window_weights", "test_time")
"""Settings of inference that decide how well a network's answer is read."""

OPTIMIZER = ("learning_rate", "weight_decay", "momentum", "nesterov", "gradient_clip")
"""Settings that are as old as the first results, and are told beside a newer way to train."""


def told_apart(recipes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Give a sentence on training and one on testing, each with the settings that differ and whose they are.

    `recipes` are resolved recipes as plain data, by arm; what one does not say is the default. Empty where arms agree.
    """
    training = {arm: _training(recipe) for arm, recipe in recipes.items()}
    testing = {arm: _testing(recipe) for arm, recipe in recipes.items()}
    said = []
    for words, sections in (
        ("TRAINED OTHERWISE, so it is not the networks alone that are compared", training),
        ("Tested otherwise", testing),
    ):
        names = dict.fromkeys(name for section in sections.values() for name in section)
        apart = [_apart(name, {arm: section[name] for arm, section in sections.items()}) for name in names]
        told = [text for text in apart if text]
        said += [f"{words}: {'; '.join(told)}."] if told else []
    return said


def with_weights_named(recipe: Mapping[str, Any], record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a run's recipe with the weights that networks started from by name and digest, and not by where they lay."""
    training, started = recipe.get("training", {}), record.get("started_from", ())
    if not training.get("start_from") or not started:
        return recipe
    named = f"{started[0]['name']} (SHA-256 {started[0]['sha256'][:12]})"
    return {**recipe, "training": {**training, "start_from": {**training["start_from"], "weights": named}}}


def trained_otherwise(recipe: Recipe) -> str:
    """Say in a sentence what of a training is newer than the paper's; empty where it is the paper's way."""
    given, usual = recipe.training.model_dump(mode="json"), TrainingSettings().model_dump(mode="json")
    newer = [key for key in LATER_TRAINING_KEYS if key not in SAME_NETWORK and given[key] != usual[key]]
    newer += [key for key in OPTIMIZER if newer and given[key] != usual[key]]
    if not newer:
        return ""
    told = ", ".join(f"{_plain(key)} {_plain(given[key])}" for key in newer)
    return f"Not the paper's training: {told}."


def _training(recipe: Mapping[str, Any]) -> dict[str, Any]:
    said = TrainingSettings().model_dump(mode="json") | dict(recipe.get("training", {}))
    kept = {name: value for name, value in said.items() if name not in SAME_NETWORK}
    preprocess = PreprocessSettings().model_dump(mode="json") | dict(recipe.get("preprocess", {}))
    return kept | {"spacing_mm": preprocess["spacing_mm"]}


def _testing(recipe: Mapping[str, Any]) -> dict[str, Any]:
    said = InferenceSettings().model_dump(mode="json") | dict(recipe.get("inference", {}))
    rules_on = dict(recipe.get("preprocess", {})).get("rules_on", "scan")
    return {name: said[name] for name in TESTED} | {
        "window_size": said["window_size"] or "the patch",
        "rules_on": f"the {rules_on}'s voxels",
    }


def _apart(name: str, of_arms: Mapping[str, Any]) -> str:
    """Say a setting's values with the arms that have them; empty where all have the same."""
    arms: dict[str, list[str]] = {}
    for arm, value in of_arms.items():
        arms.setdefault(json.dumps(value, default=str), []).append(arm)
    if len(arms) == 1:
        return ""
    told = [f"{_plain(json.loads(value))} ({', '.join(named)})" for value, named in arms.items()]
    return f"{_plain(name)} {', '.join(told)}"


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " x ".join(map(_plain, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{_plain(key)} {_plain(of)}" for key, of in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
