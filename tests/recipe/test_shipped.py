"""Tests of pnetkit.recipe.shipped: recipes that come with pnetkit are found by name, and nothing else is."""

from pathlib import Path

import pytest

from pnetkit.errors import RecipeError
from pnetkit.recipe import shipped
from pnetkit.recipe.compose import compose

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_recipe_of_the_checkout_has_a_name_and_those_at_the_top_come_first():
    found = shipped.shipped_recipes()
    assert set(found.values()) == set(RECIPES.rglob("*.yaml"))
    assert found["s4c_dual"] == RECIPES / "s4c_dual.yaml"
    assert found["ablations/and_fusion"] == RECIPES / "ablations" / "and_fusion.yaml"
    assert ["/" in name for name in found] == sorted("/" in name for name in found)


def test_a_recipe_is_called_as_its_file_and_described_as_no_other():
    described = {}
    for name, file in shipped.shipped_recipes().items():
        data = compose(file).data
        assert data["name"] == name.rpartition("/")[2]
        described.setdefault(data["description"], []).append(name)
    assert [names for names in described.values() if len(names) > 1] == []


def test_a_name_stands_for_the_shipped_recipe_and_a_path_that_exists_wins(elsewhere):
    assert shipped.locate(Path("s4c_dual")) == RECIPES / "s4c_dual.yaml"
    assert shipped.locate(Path("ablations/and_fusion")) == RECIPES / "ablations" / "and_fusion.yaml"
    (elsewhere / "s4c_dual").write_text("name: mine\n")
    assert shipped.locate(Path("s4c_dual")).resolve() == elsewhere / "s4c_dual"
    assert shipped.locate(Path("pnetkit:s4c_dual")) == RECIPES / "s4c_dual.yaml"


def test_a_folder_of_that_name_is_refused_with_the_name_that_is_certain(elsewhere):
    (elsewhere / "s4c_dual").mkdir()
    with pytest.raises(RecipeError, match=r"s4c_dual: is a folder.*or pnetkit:s4c_dual for the shipped one"):
        shipped.locate(Path("s4c_dual"))


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("s4c_duel", "no such file, and no shipped recipe of that name. Did you mean 's4c_dual'"),
        ("recipes/s4c_dual.yaml", "no such file, and no shipped recipe of that name. Did you mean 's4c_dual'?"),
        ("and_fusion", "Did you mean 'ablations/and_fusion'?"),
        ("pnetkit:s4c_duel", "there is no shipped recipe of that name. Did you mean 's4c_dual'"),
        ("/nothing/like/it", "no such file, and no shipped recipe of that name. `pnetkit recipe list` names those"),
    ],
)
def test_what_is_neither_a_file_nor_a_shipped_recipe_is_said_to_be_neither(given, said):
    with pytest.raises(RecipeError) as caught:
        shipped.locate(Path(given))
    assert said in str(caught.value)
    assert f"  {given}: " in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "ablations/../../x",
        "../recipes/s4c_dual",
        "ablations/../s4c_dual",
        "",
        ".",
        "ablations",
        "s4c_dual.yaml",
    ],
)
def test_a_name_cannot_lead_out_of_the_folder_of_shipped_recipes(elsewhere, monkeypatch, name):
    inside = elsewhere / "recipes"
    (inside / "ablations").mkdir(parents=True)
    for file in (elsewhere / "x.yaml", inside / "s4c_dual.yaml"):
        file.write_text("name: x\n")
    monkeypatch.setattr(shipped, "shipped_folder", lambda: inside)
    assert shipped.locate(Path("pnetkit:s4c_dual")) == inside / "s4c_dual.yaml"
    with pytest.raises(RecipeError, match="no shipped recipe"):
        shipped.locate(Path(f"pnetkit:{name}"))
    with pytest.raises(RecipeError, match="no shipped recipe"):
        shipped.locate_parent(f"pnetkit:{name}", elsewhere / "child.yaml", "child.yaml:1")


def test_a_file_has_a_shipped_name_only_where_it_is_the_shipped_one(tmp_path):
    assert shipped.shipped_name(RECIPES / "ablations" / ".." / "s4c_dual.yaml") == "s4c_dual"
    (tmp_path / "s4c_dual.yaml").write_bytes((RECIPES / "s4c_dual.yaml").read_bytes())
    assert shipped.shipped_name(tmp_path / "s4c_dual.yaml") is None


def test_an_installed_package_has_its_own_folder_and_takes_no_neighbor_for_a_checkout(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "pnetkit"
    (package / "recipe").mkdir(parents=True)
    (package.parent / "recipes").mkdir()  # of something else that is installed
    monkeypatch.setattr(shipped, "__file__", str(package / "recipe" / "shipped.py"))
    assert shipped.shipped_folder() == package / "shipped_recipes"
    assert shipped.shipped_recipes() == {}
    (package.parent / "pyproject.toml").write_text("")
    assert shipped.shipped_folder() == package.parent / "recipes"
