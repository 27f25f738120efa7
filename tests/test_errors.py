"""Tests of pnetkit.errors."""

import pickle

import pytest

from pnetkit import errors
from pnetkit.errors import Fault, FaultsError, PnetkitError, RecipeError, counted, did_you_mean


def test_every_fault_stands_in_the_text_in_its_order():
    error = FaultsError("Two things:", [Fault("a.csv:1", "wrong"), Fault("a.csv:2", "missing")])
    assert str(error) == "Two things:\n  a.csv:1: wrong\n  a.csv:2: missing"


def test_one_of_a_thing_is_no_plural():
    assert [counted(number, "fault") for number in (0, 1, 2)] == ["0 faults", "1 fault", "2 faults"]


def test_close_names_are_suggested_and_all_listed_when_none_is_close():
    assert did_you_mean("widht", ["width", "depth"]) == " Did you mean 'width'?"
    assert did_you_mean("zzz", ["width", "depth"]) == " Known: depth, width."
    assert did_you_mean("zzz", []) == ""


@pytest.mark.parametrize(
    ("name", "code"),
    [("RecipeError", 3), ("CohortError", 4), ("ImageError", 4), ("PluginError", 5), ("MissingPluginError", 5),
     ("TrainingError", 6), ("StoreError", 7), ("RunError", 8)],
)  # fmt: skip
def test_each_kind_of_error_has_its_exit_code(name, code):
    kind = getattr(errors, name)
    assert issubclass(kind, PnetkitError)
    assert kind.exit_code == code


def test_errors_travel_between_processes_with_their_faults():
    error = RecipeError("Two faults:", [Fault("a.yaml:1", "wrong"), Fault("a.yaml:2", "also wrong")])
    found = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
    assert (type(found), found.faults, str(found)) == (RecipeError, error.faults, str(error))
