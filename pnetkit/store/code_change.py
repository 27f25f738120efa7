"""Notice that a plugin's source has changed since the store's results were made, and do as the user wishes.

A plugin's source is part of the keys of what it makes, so a change leads to other keys. `rebuild` lets it: everything
that the plugin touches is made again, and the old results stay in the store. `warn` goes on with the keys of the old
source, so that old results are reused and missing ones made beside them; each new result's own record still names the
source that made it. `error` stops.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

from pnetkit.errors import PluginError, StoreError
from pnetkit.files import disk_errors_in_words, write_json
from pnetkit.recipe.models import Recipe
from pnetkit.registry import plugin_info
from pnetkit.sources import Sources, source_digest
from pnetkit.store.locks import locked
from pnetkit.store.store import Store

SOURCES = "sources.json"
"""The file of a store that says which source each plugin had last."""

Policy = Literal["warn", "rebuild", "error"]


def plugins_of(recipe: Recipe) -> list[tuple[str, str]]:
    """Give kind and name of every plugin that a recipe uses, each once."""
    chosen = [("backbone", recipe.backbone.plugin)]
    chosen += [("postprocessor", choice.plugin) for choice in recipe.postprocess]
    chosen += [("case-classifier", recipe.classifier.plugin), ("phase-fusion", recipe.fusion.plugin)]
    return list(dict.fromkeys(chosen))


def settle_sources(recipe: Recipe, store: Store, policy: Policy, *, note: bool = True) -> tuple[Sources, list[str]]:
    """Choose the source digest that each plugin has in keys, and say in one line what changed.

    With `note` the sources of today are noted in the store, for the next call to compare with; a dry run notes nothing.

    Raises:
        PluginError: a source changed and the policy is `error`.
        StoreError: the store's note of sources is damaged.
    """
    if not note:
        settled, changed, _ = _settled(recipe, _read(store.root / SOURCES), policy)
        return settled, _in_words(changed, policy)
    with disk_errors_in_words(store.root), locked(store.root, SOURCES):  # two runs may begin at once
        settled, changed, known = _settled(recipe, _read(store.root / SOURCES), policy)
        lines = _in_words(changed, policy)
        write_json(store.root / SOURCES, known)
    return settled, lines


def _settled(
    recipe: Recipe, before: Mapping[str, str], policy: Policy
) -> tuple[dict[tuple[str, str], str], list[str], dict[str, str]]:
    """Give the digests for keys, the plugins that changed, and what is to be noted."""
    known = dict(before)
    settled: dict[tuple[str, str], str] = {}
    changed: list[str] = []
    for kind, name in plugins_of(recipe):
        info, now = plugin_info(kind, name), source_digest(kind, name)
        key = f"{kind} {name} {info.version}"
        settled[kind, name] = now
        if known.get(key, now) != now:
            changed.append(f"{name} ({info.distribution} {info.version})")
            if policy == "warn":
                settled[kind, name] = known[key]
        if policy != "warn" or key not in known:
            known[key] = now
    return settled, changed, known


def _in_words(changed: list[str], policy: Policy) -> list[str]:
    if not changed:
        return []
    what = f"The source of {', '.join(changed)} has changed since this store's results were made"
    if policy == "error":
        raise PluginError(f"{what}. Choose --on-code-change rebuild or warn, or go back to the old source.")
    does = {"rebuild": "what depends on it is made again", "warn": "the old results are used all the same"}
    return [f"{what}: {does[policy]} (--on-code-change {policy})."]


def _read(path: Any) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error}). Delete it; results are not lost by that.") from error
    return found
