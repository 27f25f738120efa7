"""Tests of pnetkit.method.starting: what networks start from is held to them before anything is made."""

import pytest
from safetensors.torch import load_file

from pnetkit.errors import RecipeError
from pnetkit.method.parts import take_apart
from pnetkit.method.plugins import identify
from pnetkit.method.starting import begin, started_in_words
from pnetkit.method.trained_network import new_backbone
from pnetkit.recipe.check import load_recipe
from pnetkit.store.node import File
from tests.imported import write_imported

RECIPE = """\
name: begins
phases: [venous]
backbone: {{plugin: s4c, params: {{width: {width}}}}}
training: {{iterations: {iterations}, patch_size: [16, 16, 16], start_from: {{weights: {weights}, {more}}}}}
inference: {{stride: 8}}
classifier: {{plugin: voxel-count, params: {{tumor_voxels: 5, duct_voxels: 5}}}}
fusion: {{plugin: or}}
"""


@pytest.fixture(scope="module")
def identity():
    return identify("backbone", "s4c", {"width": 2})


@pytest.fixture(scope="module")
def weights(tmp_path_factory, identity):
    network = new_backbone(identity, in_channels=1, seed=5)
    return write_imported(tmp_path_factory.mktemp("imported") / "theirs", network)


@pytest.fixture
def parts(tmp_path, weights):
    def build(more="head: keep", *, width=2, iterations=5, folder=weights):
        text = RECIPE.format(width=width, iterations=iterations, weights=folder, more=more)
        (tmp_path / "r.yaml").write_text(text)
        return take_apart(load_recipe(tmp_path / "r.yaml").recipe, {})

    return build


def test_what_decides_what_is_taken_stands_in_the_key_and_no_path(parts, weights, tmp_path):
    found = parts("freeze_iterations: 2")
    assert found.training["start_from"] == {
        "part": "all",
        "head": "match-labels",
        "labels": {},
        "freeze_iterations": 2,
        "first_layer": "error",
        "outputs": ["background", "pancreas", "tumor", "duct"],
        "aliases": {},
    }
    weights.rename(tmp_path / "moved")
    try:
        moved = parts("freeze_iterations: 2, least_share: 0.5", folder=tmp_path / "moved")
    finally:
        (tmp_path / "moved").rename(weights)
    assert moved.training == found.training
    assert moved.start.digest == found.start.digest
    assert File(moved.start.weights, "d") != File(found.start.weights, "d")


def test_less_than_the_stated_share_is_refused_with_the_names_that_do_not_fit(parts, tmp_path, identity):
    network = new_backbone(identity, in_channels=1, seed=5)
    some = write_imported(
        tmp_path / "w", network, names=lambda name: f"my_{name}" if name.startswith("conv3") else name
    )
    with pytest.raises(
        RecipeError, match=r"\d% of the parameters fit s4c, wanted 100\.0% .*conv3a\.0\.weight .*no equal"
    ):
        parts("head: drop", folder=some)
    with pytest.raises(RecipeError, match=r"0\.0% of the parameters fit s4c, wanted 1\.0% .*weight \[4, .*is \[2, "):
        parts("head: drop, least_share: 0.01", width=4)
    assert 0.1 < parts("head: drop, least_share: 0.1", folder=some).start.taken[1] < 1


def test_without_training_all_of_the_network_has_to_be_there(parts, tmp_path, identity):
    assert parts(iterations=0).start.taken == {1: 1}
    assert parts("head: match-labels", iterations=0).start.taken == {1: 1}
    with pytest.raises(RecipeError, match=r"nothing is trained \(iterations: 0\), so all of s4c has to come"):
        parts("head: drop, least_share: 0.1", iterations=0)
    without_duct = write_imported(
        tmp_path / "other",
        new_backbone(identity, in_channels=1, seed=5),
        labels=("background", "pancreas", "tumor", "vessel"),
    )
    with pytest.raises(RecipeError, match="outputs without a label of that name"):
        parts("head: match-labels", iterations=0, folder=without_duct)


def test_weights_that_are_not_there_are_a_fault_of_the_recipe(parts, tmp_path):
    with pytest.raises(RecipeError, match=r"training\.start_from: .*nowhere: holds no imported weights"):
        parts(folder=tmp_path / "nowhere")


def test_a_network_begins_with_what_it_took(weights, identity, parts):
    how = parts().training["start_from"]
    network = new_backbone(identity, in_channels=1, seed=6)
    found = begin(network, identity, 1, weights / "weights.safetensors", how)
    stored, state = load_file(weights / "weights.safetensors"), network.state_dict()
    assert stored
    assert all(state[name].equal(tensor) for name, tensor in stored.items())
    assert found.is_complete


def test_tables_say_what_networks_started_from_and_under_which_licenses(parts, tmp_path, identity):
    behind = ({"name": "first", "license": "MIT"},)
    network = new_backbone(identity, in_channels=1, seed=5)
    of = parts(folder=write_imported(tmp_path / "w", network, started_from=behind)).start.described(30)
    said = started_in_words(of, trained=True)
    assert said.startswith("Networks started from theirs (state-dict, SHA-256 ")
    assert "license: CC BY-NC 4.0): 100.0% of their parameters, which stayed as they were for 30 steps." in said
    assert said.endswith("These started from first (license: MIT).")
    assert "as they are; whether their makers had seen these cases is not known" in started_in_words(of, trained=False)
    assert str(tmp_path) not in str(of)
