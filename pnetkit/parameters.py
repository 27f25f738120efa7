"""Read a plugin's parameters off its signature: names, types, bounds, defaults, descriptions.

Written once, in Python, they give the validation of recipes, `pnetkit plugins show` and the JSON schema for editors.
"""

import inspect
import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
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
        BrokenPluginError: a parameter has no annotation or none that can be read, no default, a type that pydantic does
            not know, or cannot be given by keyword.
    """
    where = f"The {kind} plugin {name!r}"
    function = inspect.unwrap(factory.__init__ if inspect.isclass(factory) else factory)
    try:
        signature = inspect.signature(factory)
    except Exception as error:
        raise BrokenPluginError(f"{where}: its signature cannot be read ({_in_words(error)}).") from error
    fields: dict[str, Any] = {}
    for parameter in signature.parameters.values():
        if parameter.name in GIVEN_BY_CORE[kind]:
            continue
        problem = _problem(parameter)
        if problem:
            raise BrokenPluginError(f"{where}: its parameter {parameter.name!r} {problem}.")
        try:
            fields[parameter.name] = (_hint(parameter, getattr(function, "__globals__", {})), parameter.default)
        except Exception as error:
            raise BrokenPluginError(
                f"{where}: its parameter {parameter.name!r} has an annotation that cannot be read "
                f"({_in_words(error)}). Recipes are checked against it when the plugin is used: import what it names "
                f"outside of `if TYPE_CHECKING`."
            ) from error
    try:
        return _model(name, fields)
    except Exception as error:
        raise BrokenPluginError(
            f"{where}: its parameter {_unknown(name, fields)!r} is of a type that no recipe can give "
            f"({_in_words(error)}). Wanted what YAML can say: numbers, text, true and false, lists, mappings."
        ) from error


def validate(model: type[BaseModel], params: Mapping[str, Any]) -> BaseModel:
    """Check parameters as a recipe gives them: strictly (no number is guessed from text), lists standing for tuples.

    Raises pydantic's ValidationError, with every fault; BrokenPluginError where the model itself fails.
    """
    given = json.dumps(dict(params), allow_nan=False)
    try:
        return model.model_validate_json(given)
    except ValidationError:
        raise
    except Exception as error:  # a bound that the type cannot have, a validator of the plugin's with a mistake
        raise BrokenPluginError(f"{model.__name__!r} cannot be checked: {_in_words(error)}") from error


def schema(kind: str, name: str, model: type[BaseModel]) -> dict[str, Any]:
    """Give the JSON schema of a plugin's parameters, for editors.

    Raises:
        BrokenPluginError: a parameter is of a type that JSON cannot say, as a function.
    """
    try:
        return model.model_json_schema()
    except Exception as error:
        raise BrokenPluginError(f"The {kind} plugin {name!r} has no JSON schema: {_in_words(error)}") from error


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
    except (Exception, SystemExit) as error:
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


def _model(name: str, fields: Mapping[str, Any]) -> type[BaseModel]:
    config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())
    return create_model(f"{name} parameters", __config__=config, **fields)


def _unknown(name: str, fields: Mapping[str, Any]) -> str:
    """Find the first parameter of which no model can be made."""
    for key, field in fields.items():
        try:
            _model(name, {key: field})
        except Exception:  # noqa: BLE001  # whatever it is, it is what the whole model failed with
            return key
    return ", ".join(fields)


def _hint(parameter: inspect.Parameter, names: Mapping[str, Any]) -> Any:
    """Give a parameter's annotation, evaluated alone: the return type of a factory may be there for checkers only."""
    alone = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    return get_type_hints(alone, globalns=dict(names), include_extras=True)[parameter.name]


def _in_words(error: BaseException) -> str:
    """Name an error in a line: pydantic's own texts go on with links."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _problem(parameter: inspect.Parameter) -> str:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        return "is not a plain keyword argument, so recipes cannot be checked against it"
    if parameter.annotation is parameter.empty:
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
