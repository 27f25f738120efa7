"""Tests of pnetkit.recipe.catalog: what shipped recipes need, and what of it is installed."""

import json
import tomllib
from pathlib import Path

import pytest

from pnetkit.recipe import catalog
from pnetkit.recipe.catalog import NeededPlugin, describe_shipped
from pnetkit.registry import GROUPS, list_plugins

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_recipe_is_described_with_the_plugins_that_it_names():
    found = {of.name: of for of in describe_shipped()}
    joint = found["s4c_joint_dual"]
    assert joint.description.startswith("S4C with a lesion head trained beside")
    assert joint.plugins == (
        NeededPlugin("backbone", "s4c-joint", "pnetkit-s4c-joint", installed=True),
        NeededPlugin("postprocessor", "components", "pnetkit-rules", installed=True),
        NeededPlugin("case-classifier", "lesion-score", "pnetkit-s4c-joint", installed=True),
        NeededPlugin("phase-fusion", "or", "pnetkit-fusion", installed=True),
    )
    assert joint.distributions == ("pnetkit-fusion", "pnetkit-rules", "pnetkit-s4c-joint")
    assert [of.name for of in found.values() if of.missing] == []


@pytest.mark.slow
def test_what_is_not_installed_is_named_by_the_distribution_that_brings_it(monkeypatch):
    without = [of for of in list_plugins() if of.distribution != "pnetkit-monai"]
    monkeypatch.setattr(catalog, "list_plugins", lambda: without)
    found = {of.name: of for of in describe_shipped()}
    assert found["backbones/monai_unet"].missing == ("pnetkit-monai",)
    assert NeededPlugin("backbone", "monai-unet", "pnetkit-monai", installed=False) in (
        found["backbones/monai_unet"].plugins
    )
    assert found["s4c_dual"].missing == ()


def test_plugins_of_profiles_count_and_one_that_no_distribution_of_ours_brings_stands_under_its_own_name(
    tmp_path, monkeypatch
):
    text = "name: r\nbackbone: {plugin: acme}\nprofiles:\n  demo:\n    fusion: {plugin: and}\n  half: {classifier: x}\n"
    (tmp_path / "r.yaml").write_text(text)
    monkeypatch.setattr(catalog, "shipped_folder", lambda: tmp_path)
    monkeypatch.setattr(catalog, "shipped_recipes", lambda: {"r": tmp_path / "r.yaml"})
    (only,) = describe_shipped()
    assert only.distributions == ("acme", "pnetkit-fusion")
    assert only.missing == ("acme",)


def test_the_list_of_distributions_says_what_the_plugins_own_files_say():
    kinds = {group: kind for kind, group in GROUPS.items()}
    said = {kind: {} for kind in GROUPS}
    for path in (ROOT / "plugins").glob("*/pyproject.toml"):
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        for group, points in project["entry-points"].items():
            said[kinds[group]] |= dict.fromkeys(points, project["name"])
    assert json.loads((ROOT / "recipes" / "distributions.json").read_text(encoding="utf-8")) == said
