"""Tests of pnetkit.parameters: a plugin's signature is its schema."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from pnetkit.errors import BrokenPluginError
from pnetkit.parameters import construct, describe, parameters_model, schema, validate


class Rule:
    """A rule."""

    def __init__(
        self,
        *,
        voxels: Annotated[int, Field(ge=1, description="How many.")] = 40,
        mode: Literal["a", "b"] = "a",
        edges: tuple[int, ...] = (1, 2),
        limit: float | None = None,
    ) -> None:
        if mode == "b" and limit is None:
            raise ValueError("mode b needs a limit")
        self.values = (voxels, mode, edges, limit)


def model():
    return parameters_model("postprocessor", "rule", Rule)


def build(**params):
    return construct("postprocessor", "rule", Rule, params).values


def test_defaults_come_from_the_signature_and_lists_stand_for_tuples():
    assert build() == (40, "a", (1, 2), None)
    assert build(voxels=1, edges=[3], limit=2) == (1, "a", (3,), 2.0)


@pytest.mark.parametrize("params", [{"voxels": 0}, {"voxels": "5"}, {"voxels": 1.5}, {"mode": "c"}, {"voxel": 3}])
def test_what_the_signature_does_not_allow_is_refused(params):
    with pytest.raises(ValidationError):
        validate(model(), params)


class Mode(Enum):
    FAST = "fast"


@dataclass(frozen=True)
class Shape:
    edge: int = 3


class Deep(BaseModel):
    share: float = 0.5


ALLOWED = {
    bool: (True, False), int: (1, 2), float: (0.5, 1), str: ("a", "b"), Literal["a", "b"]: ("a", "b"),
    Mode: (Mode.FAST, "fast"), tuple[int, int, int]: ((1, 2, 3), [4, 5, 6]), tuple[float, ...]: ((0.5,), [0.5, 1.5]),
    list[int]: ([1], [2, 3]), dict[str, float]: ({}, {"a": 0.5}), Deep: (Deep(), {"share": 0.25}),
    Shape: (Shape(), {"edge": 5}), int | None: (1, None),
}  # fmt: skip
"""Every annotation that docs/plugins.md allows, a default of it, and another value as a recipe gives it."""


@pytest.mark.parametrize(("annotation", "values"), ALLOWED.items(), ids=str)
def test_annotations_that_the_page_allows_are_set_by_recipes_and_stand_in_keys(annotation, values):
    default, given = values

    def plugin(*, of=default):
        return of

    plugin.__annotations__["of"] = annotation
    allowed = parameters_model("postprocessor", "plugin", plugin)
    assert json.loads(validate(allowed, {}).model_dump_json()).keys() == {"of"}
    written = json.loads(validate(allowed, {"of": given}).model_dump_json())
    assert written == {"of": given}
    assert construct("postprocessor", "plugin", plugin, written) == validate(allowed, {"of": given}).of
    assert describe(allowed)[0]["name"] == "of"


def test_all_faults_come_at_once():
    with pytest.raises(ValidationError) as caught:
        validate(model(), {"voxels": 0, "mode": "c", "voxel": 3})
    assert {error["loc"][0] for error in caught.value.errors()} == {"voxels", "mode", "voxel"}


def test_a_refusal_by_the_plugin_names_it_and_its_reason():
    with pytest.raises(BrokenPluginError, match=r"postprocessor plugin 'rule' cannot be built .* mode b needs a limit"):
        build(mode="b")


def test_parameters_are_described_with_type_default_and_bounds():
    first, *_, last = describe(model())
    assert first == {"name": "voxels", "type": "int", "default": "40", "bounds": ">= 1", "description": "How many."}
    assert last["type"] == "float | None"


def test_what_the_core_passes_is_no_parameter_of_recipes():
    def net(*, in_channels: int = 1, num_classes: int = 4, width: int = 8) -> tuple[int, int, int]:
        return in_channels, num_classes, width

    assert list(parameters_model("backbone", "net", net).model_fields) == ["width"]
    assert construct("backbone", "net", net, {"width": 2}, in_channels=3, num_classes=5) == (3, 5, 2)


def no_annotation(*, a=1): ...
def no_default(*, a: int): ...
def any_arguments(*args: int): ...
def any_keywords(**kwargs: int): ...


@pytest.mark.parametrize(
    ("factory", "problem"),
    [
        (no_annotation, "'a' has no type annotation"),
        (no_default, "'a' has no default"),
        (any_arguments, "'args' is not a plain keyword"),
        (any_keywords, "'kwargs' is not a plain keyword"),
    ],
)
def test_signatures_that_are_no_schema_are_refused(factory, problem):
    with pytest.raises(BrokenPluginError, match=problem):
        parameters_model("postprocessor", "rule", factory)


class Unknown:
    """A type that pydantic knows nothing of."""


def for_checkers_only(*, a: int = 1, b: "Elsewhere | None" = None): ...  # noqa: F821  # as under TYPE_CHECKING
def half_written(*, a: "int |" = 1): ...  # noqa: F722
def foreign_type(*, a: int = 1, b: Unknown | None = None): ...
def bound_on_the_wrong_type(*, a: Annotated[str, Field(ge=1)] = "x"): ...


@pytest.mark.parametrize(
    ("factory", "problem"),
    [
        (
            for_checkers_only,
            r"'b' has an annotation that cannot be read \(NameError: name 'Elsewhere' is not defined\)",
        ),
        (for_checkers_only, "import what it names outside of `if TYPE_CHECKING`"),
        (half_written, r"'a' has an annotation that cannot be read \(SyntaxError"),
        (foreign_type, r"'b' is of a type that no recipe can give \(PydanticSchemaGenerationError"),
    ],
)
def test_annotations_that_are_no_schema_are_refused_with_the_parameter_s_name(factory, problem):
    with pytest.raises(BrokenPluginError, match=problem):
        parameters_model("postprocessor", "rule", factory)


def test_a_refused_annotation_takes_one_line():
    for factory in (for_checkers_only, foreign_type):
        with pytest.raises(BrokenPluginError) as caught:
            parameters_model("postprocessor", "rule", factory)
        assert "\n" not in str(caught.value)


def test_a_bound_that_the_type_cannot_have_is_the_plugin_s_fault():
    model = parameters_model("postprocessor", "rule", bound_on_the_wrong_type)
    with pytest.raises(BrokenPluginError, match="'rule parameters' cannot be checked: TypeError"):
        validate(model, {"a": "y"})


def test_what_is_annotated_beside_the_parameters_need_not_be_importable():
    def net(*, in_channels: "Elsewhere" = 1, width: int = 8) -> "Elsewhere": ...  # noqa: F821

    assert list(parameters_model("backbone", "net", net).model_fields) == ["width"]


def test_annotations_are_read_where_a_decorated_or_inherited_signature_was_written():
    @functools.wraps(Rule)
    def wrapped(**given):
        return Rule(**given)

    class Heir(Rule):
        """Takes what its parent takes."""

    for factory in (wrapped, Heir):
        assert list(parameters_model("postprocessor", "rule", factory).model_fields) == [
            "voxels", "mode", "edges", "limit",
        ]  # fmt: skip


def test_a_callable_without_a_readable_signature_is_refused():
    with pytest.raises(BrokenPluginError, match="its signature cannot be read"):
        parameters_model("postprocessor", "rule", dict)


def test_a_plugin_that_ends_the_program_cannot_be_built():
    def leaves(*, a: int = 1):
        raise SystemExit(a)

    with pytest.raises(BrokenPluginError, match=r"cannot be built with \{\}: SystemExit: 1"):
        construct("postprocessor", "rule", leaves, {})


def test_a_parameter_that_no_json_can_say_has_no_schema():
    def calls(*, a: Callable[[int], int] = abs): ...

    model = parameters_model("postprocessor", "rule", calls)
    with pytest.raises(BrokenPluginError, match="postprocessor plugin 'rule' has no JSON schema"):
        schema("postprocessor", "rule", model)
    assert schema("postprocessor", "rule", parameters_model("postprocessor", "rule", Rule))["properties"]["voxels"]
