"""Describe the shipped recipes: what each is, which plugins it needs, and what of that is installed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pnetkit.recipe.check import KINDS
from pnetkit.recipe.compose import compose
from pnetkit.recipe.shipped import shipped_folder, shipped_recipes
from pnetkit.registry import list_plugins

DISTRIBUTIONS = "distributions.json"
"""Beside the recipes: by kind and plugin, the distribution that pnetkit's own plugins come in, installed or not."""


@dataclass(frozen=True, slots=True)
class NeededPlugin:
    """Say which plugin a recipe names, which distribution brings it (None: not known), and whether it is installed."""

    kind: str
    plugin: str
    distribution: str | None
    installed: bool


@dataclass(frozen=True, slots=True)
class ShippedRecipe:
    """Hold name, description and file of a shipped recipe, and the plugins of its body and its profiles."""

    name: str
    description: str
    file: Path
    plugins: tuple[NeededPlugin, ...]

    @property
    def distributions(self) -> tuple[str, ...]:
        """Give the distributions that bring its plugins, or a plugin's own name where its distribution is not known."""
        return tuple(sorted({plugin.distribution or plugin.plugin for plugin in self.plugins}))

    @property
    def missing(self) -> tuple[str, ...]:
        """Give those of its distributions that are not installed, or lack a plugin that it names."""
        return tuple(sorted({of.distribution or of.plugin for of in self.plugins if not of.installed}))


def describe_shipped() -> list[ShippedRecipe]:
    """Describe every shipped recipe, in the order of their names; no plugin is imported.

    Raises:
        RecipeError: the files were changed so that one cannot be composed.
    """
    known: Mapping[str, Mapping[str, str]] = {}
    listing = shipped_folder() / DISTRIBUTIONS
    if listing.is_file():
        known = json.loads(listing.read_text(encoding="utf-8"))
    installed = {(info.kind, info.name): info.distribution for info in list_plugins()}

    def needed(kind: str, plugin: str) -> NeededPlugin:
        there = installed.get((kind, plugin))
        return NeededPlugin(kind, plugin, there or known.get(kind, {}).get(plugin), there is not None)

    found = []
    for name, file in shipped_recipes().items():
        composed = compose(file)
        bodies = [composed.data, *(compose(file, profile).data for profile in composed.profiles)]
        named = dict.fromkeys(choice for data in bodies for choice in _choices(data))
        description = str(composed.data.get("description", ""))
        found.append(ShippedRecipe(name, description, file, tuple(needed(*choice) for choice in named)))
    return found


def _choices(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give kind and name of every plugin that a composed recipe names."""
    for section, kind in KINDS.items():
        value = data.get(section, [])
        for choice in value if isinstance(value, list) else [value]:
            if isinstance(choice, dict) and "plugin" in choice:  # what else it may be, checking the recipe says
                yield kind, str(choice["plugin"])
