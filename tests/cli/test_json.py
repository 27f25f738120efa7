"""`--json`: every command that prints a table has it, and prints JSON alone, with the keys of docs/python.md."""

import ast
import inspect
import json
import math
import os
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import click
import pytest

from pnetkit.cli.as_json import as_text, json_alone
from pnetkit.cli.main import cli
from tests.system.conftest import TINY

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8").partition("<!-- json -->")[2]
PRINTS = {"print_grid", "print_table"}
"""What prints a table."""


def commands(group=cli, name=""):
    """All commands with their whole names."""
    found = {}
    for part, command in group.commands.items():
        whole = f"{name} {part}".strip()
        found |= commands(command, whole) if isinstance(command, click.Group) else {whole: command}
    return found


@cache
def functions_of(module):
    """What each function of a module uses: its names, and the functions of pnetkit.cli that it imports."""
    return {
        of.name: (
            {part.id for part in ast.walk(of) if isinstance(part, ast.Name)},
            [
                (part.module, alias.name)
                for part in ast.walk(of)
                if isinstance(part, ast.ImportFrom) and (part.module or "").startswith("pnetkit.cli.")
                for alias in part.names
            ],
        )
        for of in ast.walk(ast.parse(inspect.getsource(import_module(module))))
        if isinstance(of, ast.FunctionDef)
    }


def names_used(callback):
    """The names that a command's function uses, and those of the functions of pnetkit.cli that it calls."""
    seen, left, found = set(), [(callback.__module__, callback.__name__)], set()
    while left:
        module, name = left.pop()
        if (module, name) in seen or name not in functions_of(module):
            continue
        seen.add((module, name))
        used, imported = functions_of(module)[name]
        found |= used
        left += [*imported, *((module, of) for of in used)]
    return found


def test_every_command_that_prints_a_table_takes_json():
    with_json = {name for name, of in commands().items() if any("--json" in option.opts for option in of.params)}
    printing = {name for name, of in commands().items() if PRINTS & names_used(of.callback)}
    assert {"run", "compare", "plugins list", "runs list", "recipe list", "cohort check"} <= printing
    assert printing - with_json == set()


def strict(text):
    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_every_command_with_json_and_its_keys_are_on_the_page():
    with_json = {name for name, of in commands().items() if any("--json" in option.opts for option in of.params)}
    on_page = set(re.findall(r"^\| `([a-z ]+)` \|", PAGE, re.MULTILINE))
    assert on_page == with_json


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


@pytest.fixture
def cohort(place):
    from pnetkit.cohort.phantom import PhantomSpec, write_cohort

    return write_cohort(place / "cohort", PhantomSpec(cases=4, shape=(32, 32, 24)))


def keys_on_page(command):
    """What the page says of a command's JSON: whether it is a list, and the keys that it names."""
    said = re.search(rf"^\| `{command}` \| (.*) \|$", PAGE, re.MULTILINE)[1]
    return said.startswith("a list"), set(re.findall(r"`([a-z_]+)`", said))


def held_to_page(command, out):
    found = strict(out)
    is_list, keys = keys_on_page(command)
    assert isinstance(found, list) is is_list, command
    one = found[0] if is_list else found
    assert set(one) == keys, command
    return found


@pytest.mark.parametrize("command", ["plugins list", "recipe list", "doctor"])
def test_what_is_listed_is_json_alone(pnetkit, command):
    code, out, _ = pnetkit(*command.split(), "--json")
    assert code in (0, 5)
    held_to_page(command, out)


def test_a_plugin_is_shown_and_checked_as_json(pnetkit):
    held_to_page("plugins show", pnetkit("plugins", "show", "components", "--json")[1])
    code, out, err = pnetkit("plugins", "check", "or", "--json")
    found = held_to_page("plugins check", out)
    assert (code, found["conforms"]) == (0, True)
    assert "or conforms." in err


def test_a_cohort_is_checked_and_split_as_json(pnetkit, cohort):
    code, out, err = pnetkit("cohort", "check", cohort, "--workers", "0", "--json")
    assert code == 0, err
    found = held_to_page("cohort check", out)
    assert found["fingerprint"]["patients"] == 4
    assert "4 cases" in err  # what is said beside
    code, out, err = pnetkit("cohort", "split", cohort, "--folds", "2", "--out", "folds.csv", "--json")
    assert code == 0, err
    assert set(held_to_page("cohort split", out)["folds"].values()) == {0, 1}


@pytest.mark.slow
@pytest.mark.usefixtures("place")
def test_runs_and_what_is_told_of_them_are_json_alone(pnetkit):
    few = ("--set", "training.iterations=1", "--set", "phases=[venous]", "--workers", "0")
    code, out, err = pnetkit("run", "tiny.yaml", *few, "--dry-run", "--json")
    assert code == 0, err
    is_list, keys = keys_on_page("run")
    assert (is_list, set(strict(out)[0]) >= {"stage", "lane", "todo"}) == (False, True)
    code, out, err = pnetkit("run", "tiny.yaml", *few, "--no-report", "--json")
    assert code == 0, err
    found = strict(out)
    assert set(found) == keys
    assert found["metrics"]["cases"] == 4
    assert "synthetic" in err
    held_to_page("runs list", pnetkit("runs", "list", "--json")[1])
    shown = strict(pnetkit("runs", "show", found["folder"], "--json")[1])
    assert shown["recipe"] == "tiny"
    traced = strict(pnetkit("runs", "show", found["folder"], "--case", "P000", "--json")[1])
    assert {of["stage"] for of in traced["results"]} >= {"train", "measure"}
    assert all(of["record"]["seconds"] >= 0 for of in traced["results"])
    code, out, err = pnetkit(
        "compare", found["folder"], "tiny.yaml", *few, "--json"
    )  # an arm that is run says so beside
    assert code == 0, err
    held_to_page("compare", out)


def test_numbers_that_json_has_no_word_for_are_null_and_texts_stay_as_they_are():
    assert json.loads(as_text({"a": math.nan, "b": (math.inf, 1.5), "c": Path("x"), "d": "NaN é"})) == {
        "a": None,
        "b": [None, 1.5],
        "c": "x",
        "d": "NaN é",
    }


def test_what_libraries_and_other_processes_print_is_beside_the_json(capfd):
    with json_alone(as_json=True):
        os.write(1, b"beside ")
        click.echo("said")
    os.write(1, b"{}")
    assert capfd.readouterr() == ("{}", "beside said\n")
