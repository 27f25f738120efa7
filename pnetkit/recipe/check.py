"""Load a recipe: compose it, check all of it, list every fault with file and line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pnetkit.errors import Fault, PluginError, RecipeError, did_you_mean
from pnetkit.parameters import parameters_model, validate
from pnetkit.recipe.compose import Composed, compose
from pnetkit.recipe.document import KeyPath
from pnetkit.recipe.models import Recipe
from pnetkit.registry import load_factory

KINDS = {
    "backbone": "backbone",
    "postprocess": "postprocessor",
    "classifier": "case-classifier",
    "fusion": "phase-fusion",
}
"""The sections that name plugins, and the kinds they name."""


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """Hold a checked recipe, the profile applied, the profiles there are, and the files it was read from."""

    recipe: Recipe
    profile: str | None
    profiles: tuple[str, ...]
    files: tuple[Path, ...]


def load_recipe(path: Path, profile: str | None = None, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Compose and check a recipe, plugins and their parameters included; `path` may be the name of a shipped one.

    Raises:
        RecipeError: with every fault that can be found in one go, in the order of files and lines.
    """
    composed = compose(path, profile, overrides)
    faults: list[Fault] = []
    recipe: Recipe | None = None
    try:
        recipe = _validated(composed.data)
    except ValidationError as error:
        faults += [_fault(detail, composed, Recipe, ()) for detail in error.errors()]
    faults += _plugin_faults(composed)
    if faults or recipe is None:
        raise RecipeError(f"The recipe {path} has {len(faults)} fault{'s' * (len(faults) > 1)}:", _in_order(faults))
    return LoadedRecipe(recipe, profile, composed.profiles, composed.files)


def resolved(recipe: Recipe) -> dict[str, Any]:
    """Give a recipe as plain data with all defaults, those of the plugins' parameters included."""
    data: dict[str, Any] = recipe.model_dump(mode="json")
    for section, kind in KINDS.items():
        choices = data[section] if isinstance(data[section], list) else [data[section]]
        for choice in choices:
            model = parameters_model(kind, choice["plugin"], load_factory(kind, choice["plugin"]))
            choice["params"] = validate(model, choice["params"]).model_dump(mode="json")
    return data


def to_yaml(data: Mapping[str, Any]) -> str:
    """Give plain data as YAML, in its own order; read again, it is the same recipe."""
    text: str = yaml.dump(
        dict(data), Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100
    )
    return text


def recipe_schema() -> dict[str, Any]:
    """Give the JSON schema of recipes, with `extends` and `profiles`."""
    schema = Recipe.model_json_schema()
    schema["properties"] |= {
        "extends": {
            "type": "string",
            "description": "The recipe that this one changes: a file beside it, or pnetkit:NAME.",
        },
        "profiles": {"type": "object", "description": "Named overrides; `demo` is for a machine without data or GPU."},
    }
    return schema


class _Dumper(yaml.SafeDumper):
    """Writes numbers so that YAML 1.1 readers agree: 5.0e-04, not 5e-04."""


def _represent_float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    text = repr(value)
    if "e" in text and "." not in text:
        mantissa, _, exponent = text.partition("e")
        text = f"{mantissa}.0e{exponent}"
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(float, _represent_float)


def _validated(data: Mapping[str, Any]) -> Recipe:
    recipe = validate(Recipe, data)
    if not isinstance(recipe, Recipe):
        raise TypeError("validating a recipe gives a recipe")
    return recipe


def _plugin_faults(composed: Composed) -> list[Fault]:
    faults: list[Fault] = []
    for section, kind in KINDS.items():
        value = composed.data.get(section)
        choices: list[tuple[KeyPath, Any]] = [((section,), value)]
        if isinstance(value, list):
            choices = [((section, i), item) for i, item in enumerate(value)]
        for path, choice in choices:
            if isinstance(choice, dict) and isinstance(choice.get("plugin"), str) and choice["plugin"]:
                faults += _choice_faults(composed, kind, path, choice)
    return faults


def _choice_faults(composed: Composed, kind: str, path: KeyPath, choice: Mapping[str, Any]) -> list[Fault]:
    """Check one plugin choice: that the plugin is there and works, and that it takes these parameters."""
    params = choice.get("params", {})
    try:
        model = parameters_model(kind, choice["plugin"], load_factory(kind, choice["plugin"]))
    except PluginError as error:
        here = (*path, "plugin")
        return [Fault(_place(composed, here), f"{_dotted(here)}: {error}")]
    if not isinstance(params, dict):
        return []  # the recipe's own model says so
    try:
        validate(model, params)
    except ValidationError as error:
        return [_fault(detail, composed, model, (*path, "params")) for detail in error.errors()]
    return []


def _fault(detail: ErrorDetails, composed: Composed, model: type[BaseModel], prefix: KeyPath) -> Fault:
    """Turn one of pydantic's errors into a fault that says where, what was wanted, and what was got."""
    location = _real_path(composed.data, (*prefix, *detail["loc"]))
    if detail["type"] == "extra_forbidden":
        known = _known_keys(model, detail["loc"][:-1])
        message = f"unknown key.{did_you_mean(str(location[-1]), known)}"
    elif detail["type"] == "missing":
        location = (*prefix, *detail["loc"])
        message = "is missing"
    elif detail["type"] == "value_error":
        message = str(detail["ctx"]["error"])
    else:
        message = f"{detail['msg'][0].lower()}{detail['msg'][1:]}, got {_shown(detail['input'])}"
    name = _dotted(location) or "the recipe"
    return Fault(_place(composed, location), f"{name}: {message}")


def _real_path(data: Any, location: KeyPath) -> KeyPath:
    """Leave out the steps that pydantic adds for alternatives of a type; what remains leads through the data."""
    path: list[str | int] = []
    for step in location:
        if isinstance(data, dict) and step in data:
            data = data[step]
        elif isinstance(data, dict) and str(step) in data:
            step, data = str(step), data[str(step)]  # noqa: PLW2901
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            continue
        path.append(step)
    return tuple(path)


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Find the keys that the model at `location` knows."""
    current: Any = model
    for step in location:
        if isinstance(step, str) and isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(step)
            current = _model_in(field.annotation) if field else current
    keys = list(current.model_fields)
    return [*keys, "extends", "profiles"] if current is Recipe else keys


def _model_in(annotation: Any) -> Any:
    """Find the model inside an annotation such as `Model | None` or `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [inner for inner in map(_model_in, get_args(annotation)) if inner is not None]
    return found[0] if found else None


def _place(composed: Composed, location: KeyPath) -> str:
    """Give the place of a key, or of the nearest thing around it."""
    for length in range(len(location), -1, -1):
        if location[:length] in composed.origins:
            return composed.origins[location[:length]]
    return composed.files[-1].name


def _in_order(faults: Sequence[Fault]) -> list[Fault]:
    def order(fault: Fault) -> tuple[str, int]:
        name, _, line = fault.where.rpartition(":")
        return (name, int(line)) if line.isdecimal() else (fault.where, 0)

    return sorted(dict.fromkeys(faults), key=order)


def _dotted(location: KeyPath) -> str:
    return ".".join(map(str, location))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004
