"""Compose a recipe of its parents, a profile and overrides.

Order, later wins: the parent's body, the recipe's own body, then the profile of that name in the parent and in the
recipe, then `--set`. Mappings merge key by key; everything else replaces. A parent is a file beside the recipe, or a
shipped recipe by its name (`extends: pnetkit:s4c_dual`).

Two rules keep parameters with the plugin that they were written for. Choosing another `plugin` drops the `params`
inherited so far. And when a recipe's body chooses another plugin than its parent did, the `params` in the parent's
profiles, written for the parent's plugin, do not apply.

A third keeps what a recipe is about: what its body chooses (plugins, a chain of them, phases) is not chosen otherwise
by a profile that it inherits. Sizes are: a profile `demo` is there to make them small.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pnetkit.errors import Fault, RecipeError, did_you_mean
from pnetkit.recipe.document import KeyPath, parse_scalar, read_document
from pnetkit.recipe.shipped import locate, locate_parent

DEEPEST = 12
"""Levels of keys that a recipe may have."""


@dataclass(frozen=True, slots=True)
class Composed:
    """Hold a composed recipe: plain data, the place each key comes from, and the profiles there were to choose from."""

    data: dict[str, Any]
    origins: Mapping[KeyPath, str]
    profiles: tuple[str, ...]
    files: tuple[Path, ...]


@dataclass(slots=True)
class _Layers:
    """A recipe with its parents: the merged body, and the merged profiles."""

    body: dict[str, Any]
    origins: dict[KeyPath, str]
    profiles: dict[str, Any]
    files: list[Path]


def compose(path: Path, profile: str | None = None, overrides: Sequence[str] = ()) -> Composed:
    """Read a recipe and its parents, apply a profile and overrides; `path` may be the name of a shipped recipe.

    Raises:
        RecipeError: a file cannot be found or read, parents go in a circle, the profile does not exist, or an override
            is not `key=value` or points to nothing.
    """
    layers = _read(locate(path), ())
    names = tuple(sorted(layers.profiles))
    data, origins = layers.body, layers.origins
    if profile is not None:
        if profile not in layers.profiles:
            hint = did_you_mean(profile, names) if names else " It has none."
            unknown = Fault(path.name, f"there is no profile {profile!r}.{hint}")
            raise RecipeError("The profile cannot be applied:", [unknown])
        chosen = layers.profiles[profile]
        if not isinstance(chosen, dict):
            place = origins.get(("profiles", profile), path.name)
            empty = Fault(place, f"profiles.{profile}: wanted keys and values")
            raise RecipeError("The profile cannot be applied:", [empty])
        _merge(data, chosen, (), origins, _moved(origins, ("profiles", profile)))
    faults = [fault for text in overrides if (fault := _override(data, origins, text)) is not None]
    if faults:
        raise RecipeError("These --set cannot be applied:", faults)
    _say_what_was_set(data, overrides)
    return Composed(data, origins, names, tuple(layers.files))


def _say_what_was_set(data: dict[str, Any], overrides: Sequence[str]) -> None:
    """Add to the description which parts were chosen on the command line: it was written for others."""
    keys = [text.partition("=")[0].strip().split(".")[0] for text in overrides]
    chosen = [text for key, text in zip(keys, overrides, strict=True) if key in _DESCRIBED]
    if chosen and "description" not in keys and isinstance(data.get("description", ""), str):
        said = f"{data.get('description', '')} Changed by {', '.join(f'--set {text}' for text in chosen)}."
        data["description"] = said.strip()


_DESCRIBED = ("backbone", "postprocess", "classifier", "fusion", "phases", "inputs")
"""What a recipe's description tells of."""


def _read(path: Path, children: tuple[Path, ...]) -> _Layers:
    resolved = path.resolve()
    if resolved in children:
        circle = " -> ".join(p.name for p in (*children, resolved))
        raise RecipeError("The recipe extends itself:", [Fault(path.name, f"extends goes in a circle: {circle}")])
    document = read_document(path)
    own, origins = copy.deepcopy(document.data), dict(document.origins)
    for place in (own, *_profiles(own)):
        _find_weights(place, path.parent)
    parent_name = own.pop("extends", None)
    profiles = own.pop("profiles", None) or {}
    if not isinstance(profiles, dict):
        raise RecipeError("The recipe has faults:", [Fault(origins["profiles",], "profiles: wanted names of profiles")])
    if parent_name is None:
        return _Layers(own, origins, profiles, [resolved])
    if not isinstance(parent_name, str):
        raise RecipeError("The recipe has faults:", [Fault(origins["extends",], "extends: wanted one file name")])
    parent = locate_parent(parent_name, path, origins["extends",])
    layers = _read(parent, (*children, resolved))
    before = copy.deepcopy(layers.body)
    layers.body["description"] = f"A change of {parent_name} that says nothing of itself."  # the parent's is of another
    layers.origins["description",] = origins["extends",]
    _merge(layers.body, own, (), layers.origins, origins)
    for inherited in layers.profiles.values():
        _drop_other_choices(inherited, own)
        _drop_foreign_params(inherited, before, layers.body)
    _merge(layers.profiles, profiles, ("profiles",), layers.origins, origins)
    layers.files.append(resolved)
    return layers


def _profiles(own: Mapping[str, Any]) -> list[Any]:
    there = own.get("profiles")
    return list(there.values()) if isinstance(there, dict) else []


def _find_weights(body: Any, folder: Path) -> None:
    """Make the path of weights that lie beside the recipe that names them a whole one; others stay as they are."""
    training = body.get("training") if isinstance(body, dict) else None
    start = training.get("start_from") if isinstance(training, dict) else None
    if isinstance(start, dict) and isinstance(start.get("weights"), str) and "\0" not in start["weights"]:
        beside = folder / start["weights"]
        if start["weights"] and beside.is_dir():
            start["weights"] = str(beside.resolve())


def _merge(
    below: dict[str, Any],
    above: Mapping[str, Any],
    path: KeyPath,
    origins: dict[KeyPath, str],
    above_origins: Mapping[KeyPath, str],
) -> None:
    """Merge `above` into `below` in place, and the places its keys come from into `origins`."""
    if "plugin" in above and "plugin" in below and above["plugin"] != below["plugin"]:
        below.pop("params", None)
    for key, value in above.items():
        here = (*path, key)
        if here in above_origins:
            origins[here] = above_origins[here]
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _merge(below[key], value, here, origins, above_origins)
        else:
            below[key] = copy.deepcopy(value)
            if isinstance(value, dict | list):  # of what is in it; looking through all for every number is quadratic
                origins |= {p: place for p, place in above_origins.items() if p[: len(here)] == here}


def _drop_other_choices(profile: Any, own: Mapping[str, Any]) -> None:
    """Drop what a parent's profile chooses where the child's body chooses itself."""
    if not isinstance(profile, dict):
        return
    for key, value in own.items():
        if _both_choose(value, profile.get(key)):
            del profile[key]


def _both_choose(value: Any, there: Any) -> bool:
    """Tell whether two values of one key both choose: a plugin each, or a list of plugins or phases each."""
    if isinstance(value, list) and isinstance(there, list):
        return _is_choice(value) and _is_choice(there)
    return isinstance(value, dict) and isinstance(there, dict) and "plugin" in value and "plugin" in there


def _is_choice(values: list[Any]) -> bool:
    """Tell whether a list names plugins or phases, and is not one of sizes."""
    return all(isinstance(value, str) or (isinstance(value, dict) and "plugin" in value) for value in values)


def _drop_foreign_params(profile: Any, parent: Mapping[str, Any], child: Mapping[str, Any]) -> None:
    """Drop a parent profile's `params` for every section in which the child chose another plugin than the parent."""
    if not isinstance(profile, dict):
        return
    for key, value in profile.items():
        if not isinstance(value, dict) or "plugin" in value:
            continue
        was, now = parent.get(key), child.get(key)
        if isinstance(was, dict) and isinstance(now, dict) and was.get("plugin") != now.get("plugin"):
            value.pop("params", None)


def _moved(origins: Mapping[KeyPath, str], prefix: KeyPath) -> dict[KeyPath, str]:
    """Give the places of what stands under `prefix`, as if it stood at the top."""
    return {path[len(prefix) :]: place for path, place in origins.items() if path[: len(prefix)] == prefix}


def _override(data: dict[str, Any], origins: dict[KeyPath, str], text: str) -> Fault | None:
    read = _read_override(text)
    if isinstance(read, Fault):
        return read
    steps, value = read
    where = f"--set {text}"
    place: Any = data
    path: KeyPath = ()
    for step in steps[:-1]:
        index = _index(place, step)
        if isinstance(place, dict):
            place = place.setdefault(step, {})
        elif index is not None:
            place = place[index]
        else:
            return Fault(where, f"{'.'.join(map(str, path)) or 'the recipe'} has no part {step!r}")
        path = (*path, step if index is None else index)
    last, index = steps[-1], _index(place, steps[-1])
    if isinstance(place, dict):
        if last == "plugin" and place.get("plugin") != value:
            place.pop("params", None)
        place[last] = value
    elif index is not None:
        place[index] = value
    else:
        return Fault(where, f"{'.'.join(map(str, path)) or 'the recipe'} has no part {last!r}")
    origins[(*path, last if index is None else index)] = where
    return None


def _read_override(text: str) -> tuple[list[str], Any] | Fault:
    """Read `key=value` as the steps to the key, and the value."""
    key, equals, value_text = text.partition("=")
    steps = key.strip().split(".")
    if not equals or not key.strip():
        return Fault(f"--set {text}", "wanted key=value, as in training.seed=1")
    if len(steps) > DEEPEST:
        return Fault(f"--set {key[:60]}…", f"names a key {len(steps)} levels deep; recipes have {DEEPEST} at the most")
    try:
        return steps, parse_scalar(value_text)
    except (yaml.YAMLError, ValueError) as error:
        return Fault(f"--set {text}", f"the value cannot be read: {str(error).splitlines()[0]}")
    except RecursionError:
        return Fault(f"--set {key}=…", "the value cannot be read: it is nested too deeply")


def _index(place: Any, step: str) -> int | None:
    """Read a step as the index of a list; None when the place is no list or has no such item."""
    return int(step) if isinstance(place, list) and step.isdecimal() and int(step) < len(place) else None
