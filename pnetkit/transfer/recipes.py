"""Write the recipe that uses imported weights as they are: its part of the card, under a recipe that trains nothing."""

import re
from collections.abc import Collection
from pathlib import Path

import yaml

from pnetkit.errors import WeightsError
from pnetkit.transfer.card import Card
from pnetkit.types import CLASSES

EXTENDED = "pnetkit:nnunet_model"
"""The recipe that applies rules, fusion and comparison to a network that is there."""


def recipe_of(card: Card, folder: Path, known: Collection[str]) -> str:
    """Give the recipe as YAML; sections that are not `known` stand in comments.

    Raises WeightsError where the card does not say how the network is built.
    """
    if not card.recipe or card.architecture is None or "plugin" not in card.architecture:
        raise WeightsError(
            f"{folder}: its card does not say by which plugin its network is built, so no recipe can be written. "
            f"Choose a backbone whose layers have the same shapes, and name {folder} in training.start_from.weights."
        )
    training = {"start_from": {"weights": str(folder)}, **card.recipe.get("training", {})}
    body = dict(card.recipe) | {"training": training}
    name = re.sub(r"[^a-z0-9]+", "_", card.name.lower()).strip("_") or "imported"
    data = {
        "extends": EXTENDED,
        "name": name,
        "description": f"The network of {card.name} as it is, under the paper's rules.",
    }
    lines = [f"# License of the weights: {card.license}."]
    outputs = card.architecture.get("params", {}).get("outputs")
    if outputs and card.labels:
        pairs = (f"{name} -> {CLASSES[value]}" for name, value in zip(card.labels, outputs, strict=True))
        lines.append(f"# What its outputs are taken for, by their names; look at it: {', '.join(pairs)}.")
    lines += [f"# {note}" for note in card.notes]
    lines += [
        f"# Recipes have no section {key}; it would be {body.pop(key)}." for key in sorted(body.keys() - set(known))
    ]
    comments = (" ".join(line.split()) for line in lines)  # texts of others, which could break a line and go on as YAML
    return "\n".join(comments) + "\n" + yaml.safe_dump(data | body, sort_keys=False, default_flow_style=None, width=100)
