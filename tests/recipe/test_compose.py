"""Tests of pnetkit.recipe.compose: parents, profiles, overrides."""

from pathlib import Path

import pytest

from pnetkit.errors import RecipeError
from pnetkit.recipe.compose import compose

BASE = """\
name: base
training:
  iterations: 100
  momentum: 0.9
backbone:
  plugin: s4c
  params: {width: 32, aux: none}
postprocess:
  - plugin: components
    params: {gap_voxels: 27}
profiles:
  demo:
    training: {iterations: 5}
    backbone:
      params: {width: 8}
"""


@pytest.fixture
def recipe(tmp_path):
    def write(text, name="child.yaml"):
        (tmp_path / "base.yaml").write_text(BASE)
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_a_child_does_not_inherit_what_its_parent_says_of_itself(recipe):
    parent = "extends: base.yaml\nname: parent\ndescription: S4C with the paper's rule.\n"
    recipe(parent, "parent.yaml")
    said = compose(recipe(parent, "parent.yaml")).data["description"]
    assert said == "S4C with the paper's rule."
    silent = compose(recipe("extends: parent.yaml\nname: child\nbackbone: {plugin: unet3d}\n")).data
    assert silent["description"] == "A change of parent.yaml that says nothing of itself."
    spoken = compose(recipe("extends: parent.yaml\ndescription: A U-Net.\nbackbone: {plugin: unet3d}\n")).data
    assert spoken["description"] == "A U-Net."


def test_a_description_says_what_was_chosen_on_the_command_line_and_not_what_was_only_set(recipe):
    path = recipe("extends: base.yaml\ndescription: S4C, fused by OR.\n")
    chosen = compose(path, overrides=["backbone.plugin=unet3d", "training.iterations=3", "fusion={plugin: and}"]).data
    assert chosen["description"] == (
        "S4C, fused by OR. Changed by --set backbone.plugin=unet3d, --set fusion={plugin: and}."
    )
    assert compose(path, overrides=["training.iterations=3"]).data["description"] == "S4C, fused by OR."
    own = compose(path, overrides=["backbone.plugin=unet3d", "description=mine"]).data
    assert own["description"] == "mine"


def test_a_child_changes_what_it_names_and_keeps_the_rest(recipe):
    data = compose(recipe("extends: base.yaml\nname: child\ntraining: {iterations: 7}\n")).data
    assert data["name"] == "child"
    assert data["training"] == {"iterations": 7, "momentum": 0.9}
    assert data["backbone"]["params"] == {"width": 32, "aux": "none"}
    assert "profiles" not in data
    assert "extends" not in data


def test_a_profile_lies_over_the_body_and_set_over_both(recipe):
    path = recipe("extends: base.yaml\ntraining: {iterations: 7}\n")
    composed = compose(path, "demo", ["training.momentum=0.5", "backbone.params.width=4", "postprocess.0.plugin=other"])
    assert composed.data["training"] == {"iterations": 5, "momentum": 0.5}
    assert composed.data["backbone"]["params"] == {"width": 4, "aux": "none"}
    assert composed.data["postprocess"] == [{"plugin": "other"}]
    assert composed.profiles == ("demo",)
    assert composed.origins["training", "momentum"] == "--set training.momentum=0.5"
    assert composed.origins["training", "iterations"] == "base.yaml:13"


def test_another_plugin_drops_the_params_of_the_first_in_body_and_profiles(recipe):
    path = recipe("extends: base.yaml\nbackbone: {plugin: vnet}\n")
    assert compose(path).data["backbone"] == {"plugin": "vnet"}
    assert compose(path, "demo").data["backbone"] == {"plugin": "vnet"}
    assert compose(recipe("extends: base.yaml\n"), None, ["backbone.plugin=vnet"]).data["backbone"] == {
        "plugin": "vnet"
    }


def test_naming_the_same_plugin_keeps_its_params(recipe):
    path = recipe("extends: base.yaml\nbackbone: {plugin: s4c, params: {width: 16}}\n")
    assert compose(path).data["backbone"]["params"] == {"width": 16, "aux": "none"}


def test_a_child_s_profile_adds_to_its_parent_s(recipe):
    path = recipe("extends: base.yaml\nprofiles:\n  demo:\n    training: {momentum: 0}\n  large: {name: large}\n")
    assert compose(path, "demo").data["training"] == {"iterations": 5, "momentum": 0}
    assert compose(path, "large").data["name"] == "large"
    assert compose(path).profiles == ("demo", "large")


def test_a_child_extends_a_shipped_recipe_wherever_it_lies(recipe, tmp_path):
    path = recipe("extends: pnetkit:ablations/no_duct_rule\nname: child\ntraining: {iterations: 7}\n")
    composed = compose(path)
    assert composed.data["classifier"] == {"plugin": "voxel-count", "params": {"tumor_voxels": 40, "duct_voxels": None}}
    assert composed.data["training"]["iterations"] == 7
    assert [file.name for file in composed.files] == ["s4c_dual.yaml", "no_duct_rule.yaml", "child.yaml"]
    assert composed.origins["fusion",].startswith("s4c_dual.yaml:")
    (tmp_path / "pnetkit:s4c_dual").write_text("name: beside\n")
    assert compose(recipe("extends: pnetkit:s4c_dual\n")).data["name"] == "s4c_dual"  # the prefix means no file


def test_lists_replace_lists(recipe):
    path = recipe("extends: base.yaml\npostprocess: []\n")
    assert compose(path).data["postprocess"] == []


def test_recipes_that_extend_each_other_are_refused(recipe, tmp_path):
    recipe("extends: b.yaml\n", "a.yaml")
    recipe("extends: a.yaml\n", "b.yaml")
    with pytest.raises(RecipeError, match=r"circle: a\.yaml -> b\.yaml -> a\.yaml"):
        compose(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("extends: nowhere.yaml\n", r"child\.yaml:1: extends: there is no such file as .*nowhere\.yaml\.$"),
        ("name: x\nextends: s4c_dual\n", r"child\.yaml:2: .* Did you mean 'pnetkit:s4c_dual'"),
        ("extends: recipes/s4c_dual.yaml\n", r"no such file .* Did you mean 'pnetkit:s4c_dual'\?$"),
        (
            "name: x\nextends: pnetkit:s4c_duel\n",
            r"child\.yaml:2: .*'pnetkit:s4c_duel'\. Did you mean 'pnetkit:s4c_dual'",
        ),
        (
            "extends: pnetkit:../s4c_dual\n",
            r"child\.yaml:1: extends: there is no shipped recipe 'pnetkit:\.\./s4c_dual'",
        ),
        ("extends: [base.yaml]\n", "wanted one file name"),
        ("profiles: 3\n", "wanted names of profiles"),
    ],
)
def test_parents_and_profiles_that_cannot_be_used_are_refused(recipe, text, reason):
    with pytest.raises(RecipeError, match=reason):
        compose(recipe(text))


def test_an_unknown_profile_is_refused_with_those_that_exist(recipe):
    with pytest.raises(RecipeError, match=r"no profile 'dem'. Did you mean 'demo'"):
        compose(recipe("extends: base.yaml\n"), "dem")


def test_all_bad_overrides_are_named_at_once(recipe):
    with pytest.raises(RecipeError) as caught:
        compose(recipe("extends: base.yaml\n"), None, ["nothing", "name.deep=1", "postprocess.4=1", "a={"])
    assert len(caught.value.faults) == 4


CHOOSES = """\
name: base
phases: [arterial, venous]
backbone: {plugin: s4c}
training: {patch_size: [64, 64, 64], iterations: 100}
postprocess: [{plugin: components, params: {gap_voxels: 27}}]
fusion: {plugin: or}
profiles:
  demo:
    phases: [venous]
    training: {patch_size: [32, 32, 32], iterations: 5}
    postprocess: [{plugin: components, params: {gap_voxels: 5}}]
    fusion: {plugin: and}
"""


def test_what_a_body_chooses_is_not_chosen_otherwise_by_a_profile_that_it_inherits(tmp_path):
    (tmp_path / "base.yaml").write_text(CHOOSES)
    (tmp_path / "child.yaml").write_text(
        "extends: base.yaml\nname: child\nphases: [arterial]\npostprocess: [{plugin: components}, {plugin: mine}]\n"
        "fusion: {plugin: max}\ntraining: {patch_size: [48, 48, 48]}\n"
    )
    (tmp_path / "grandchild.yaml").write_text("extends: child.yaml\nname: grandchild\n")
    for name in ("child", "grandchild"):
        data = compose(tmp_path / f"{name}.yaml", "demo").data
        assert data["postprocess"] == [{"plugin": "components"}, {"plugin": "mine"}]
        assert data["phases"] == ["arterial"]
        assert data["fusion"] == {"plugin": "max"}
        assert data["training"] == {"patch_size": [32, 32, 32], "iterations": 5}  # sizes are what a demo is for


def test_a_recipe_s_own_profile_chooses_over_its_own_body(tmp_path):
    (tmp_path / "base.yaml").write_text(CHOOSES)
    (tmp_path / "child.yaml").write_text(
        "extends: base.yaml\nname: child\npostprocess: []\nprofiles: {demo: {postprocess: [{plugin: mine}]}}\n"
    )
    assert compose(tmp_path / "child.yaml", "demo").data["postprocess"] == [{"plugin": "mine"}]
    assert compose(tmp_path / "child.yaml").data["postprocess"] == []


@pytest.mark.parametrize(
    ("override", "said"),
    [("training.seed=" + "[" * 5000, "nested too deeply"), (".".join("a" * 500) + "=1", "names a key 500 levels deep")],
)
def test_a_set_that_is_too_deep_is_a_fault_in_words(recipe, override, said):
    with pytest.raises(RecipeError) as caught:
        compose(recipe("extends: base.yaml\nname: child\n"), None, [override])
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400


def test_weights_that_lie_beside_a_recipe_are_found_from_anywhere_and_others_stay_as_they_are(tmp_path, monkeypatch):
    (tmp_path / "a" / "mine").mkdir(parents=True)
    start = "training: {{start_from: {{weights: {0}}}}}\n"
    body = start.format("mine")
    (tmp_path / "a" / "parent.yaml").write_text(f"{body}profiles:\n  demo:\n    {start.format('other')}")
    (tmp_path / "child.yaml").write_text("extends: a/parent.yaml\n")
    monkeypatch.chdir(tmp_path)
    for path in (Path("a/parent.yaml"), Path("child.yaml")):
        assert compose(path).data["training"]["start_from"]["weights"] == str(tmp_path / "a" / "mine")
        assert compose(path, "demo").data["training"]["start_from"]["weights"] == "other"
    set_here = compose(Path("child.yaml"), overrides=["training.start_from.weights=mine"])
    assert set_here.data["training"]["start_from"]["weights"] == "mine"
