"""Read a plugin's parameters off its signature: names, types, bounds, defaults, descriptions.

Written once, in Python, they give the validation of recipes, `pnetkit plugins show` and the JSON schema for editors.
"""

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from pnetkit.errors import BrokenPluginError

GIVEN_BY_CORE: Mapping[str, frozenset[str]] = {
    "backbone": frozenset({"in_channels", "num_classes"}),
    "postprocessor": frozenset(),
    "case-classifier": frozenset(),
    "phase-fusion": frozenset(),
}
"""Arguments that the core passes itself; a recipe cannot set them."""


def parameters_model(kind: str, name: str, factory: Callable[..., Any]) -> type[BaseModel]:
    """Build the pydantic model of a plugin's parameters; unknown keys are errors, numbers are not guessed from text.

    Raises:
        BrokenPluginError: a parameter has no annotation, no default, or cannot be given by keyword.
    """
    hints = get_type_hints(factory.__init__ if inspect.isclass(factory) else factory, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(factory).parameters.values():
        if parameter.name in GIVEN_BY_CORE[kind]:
            continue
        problem = _problem(parameter, hints)
        if problem:
            raise BrokenPluginError(f"The {kind} plugin {name!r}: its parameter {parameter.name!r} {problem}.")
        fields[parameter.name] = (hints[parameter.name], parameter.default)
    config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())
    return create_model(f"{name} parameters", __config__=config, **fields)


def validate(model: type[BaseModel], params: Mapping[str, Any]) -> BaseModel:
    """Check parameters as a recipe gives them: strictly (no number is guessed from text), lists standing for tuples.

    Raises pydantic's ValidationError, with every fault.
    """
    return model.model_validate_json(json.dumps(dict(params), allow_nan=False))


def construct(kind: str, name: str, factory: Callable[..., Any], params: Mapping[str, Any], **given: Any) -> Any:
    """Call a plugin with validated parameters.

    `given` are the arguments that the core passes. Raises BrokenPluginError naming plugin and reason when the plugin's
    own code refuses or fails.
    """
    try:
        values = validate(parameters_model(kind, name, factory), params)
    except ValidationError as error:
        raise BrokenPluginError(f"The {kind} plugin {name!r} does not accept its parameters: {error}") from error
    try:
        return factory(**given, **{key: getattr(values, key) for key in type(values).model_fields})
    except Exception as error:
        raise BrokenPluginError(
            f"The {kind} plugin {name!r} cannot be built with {dict(params)}: {type(error).__name__}: {error}"
        ) from error


def describe(model: type[BaseModel]) -> list[dict[str, str]]:
    """List a model's parameters as text: name, type, default, bounds, description."""
    return [
        {
            "name": key,
            "type": _type_name(field.annotation),
            "default": repr(field.default),
            "bounds": _bounds(field),
            "description": field.description or "",
        }
        for key, field in model.model_fields.items()
    ]


def _problem(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> str:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        return "is not a plain keyword argument, so recipes cannot be checked against it"
    if parameter.name not in hints:
        return "has no type annotation"
    if parameter.default is parameter.empty:
        return "has no default"
    return ""


def _bounds(field: FieldInfo) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "multiple of", "min_length": "length >=",
             "max_length": "length <="}  # fmt: skip
    found = []
    for item in field.metadata:
        found += [f"{signs[k]} {getattr(item, k)}" for k in signs if getattr(item, k, None) is not None]
    return ", ".join(found)


def _type_name(annotation: Any) -> str:
    if annotation is None or annotation is type(None):
        return "null"
    if get_origin(annotation) is Annotated:
        return _type_name(get_args(annotation)[0])
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    return str(annotation).replace("typing.", "").replace("NoneType", "null")
