"""Tests of pnetkit.parameters: a plugin's signature is its schema."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from pnetkit.errors import BrokenPluginError
from pnetkit.parameters import construct, describe, parameters_model, validate


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
