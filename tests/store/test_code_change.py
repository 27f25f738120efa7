"""Tests of pnetkit.store.code_change: a changed plugin is said, and dealt with as asked."""

import pytest

from pnetkit.errors import PluginError
from pnetkit.method.plugins import identify
from pnetkit.recipe.check import load_recipe
from pnetkit.sources import made_with
from pnetkit.store import code_change
from pnetkit.store.code_change import settle_sources
from pnetkit.store.store import Store

RECIPE = """\
name: r
backbone: {plugin: s4c}
classifier: {plugin: voxel-count}
fusion: {plugin: or}
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "r.yaml").write_text(RECIPE)
    return load_recipe(tmp_path / "r.yaml").recipe


@pytest.fixture
def edited(monkeypatch):
    """Makes S4C's source look edited."""
    real = code_change.source_digest

    def edit():
        monkeypatch.setattr(code_change, "source_digest", lambda k, n: "edited" if n == "s4c" else real(k, n))

    return edit


def test_nothing_is_said_while_nothing_changes(recipe, tmp_path):
    store = Store(tmp_path / "store")
    first, second = settle_sources(recipe, store, "error"), settle_sources(recipe, store, "error")
    assert first == second
    assert first[1] == []
    assert first[0]["backbone", "s4c"] == identify("backbone", "s4c", {})["source"]


def test_rebuild_takes_the_new_source_and_says_so_once(recipe, tmp_path, edited):
    store = Store(tmp_path / "store")
    settle_sources(recipe, store, "rebuild")
    edited()
    sources, (line,) = settle_sources(recipe, store, "rebuild")
    assert sources["backbone", "s4c"] == "edited"
    assert "s4c (pnetkit-s4c 0.1.0) has changed" in line
    assert "made again" in line
    assert settle_sources(recipe, store, "rebuild")[1] == []


def test_a_dry_run_says_what_changed_and_notes_nothing(recipe, tmp_path, edited):
    store = Store(tmp_path / "store")
    assert settle_sources(recipe, store, "rebuild", note=False)[1] == []
    assert not store.root.exists()
    settle_sources(recipe, store, "rebuild")
    edited()
    noted = (store.root / "sources.json").read_bytes()
    for _ in range(2):
        assert "s4c (pnetkit-s4c 0.1.0) has changed" in settle_sources(recipe, store, "rebuild", note=False)[1][0]
    assert (store.root / "sources.json").read_bytes() == noted
    with pytest.raises(PluginError, match=r"s4c .* has changed"):
        settle_sources(recipe, store, "error")


def test_warn_keeps_the_old_source_in_keys_and_goes_on_saying_so(recipe, tmp_path, edited):
    store = Store(tmp_path / "store")
    old = settle_sources(recipe, store, "rebuild")[0]
    edited()
    for _ in range(2):
        sources, (line,) = settle_sources(recipe, store, "warn")
        assert sources == old
        assert "old results are used all the same" in line


def test_error_stops_and_forgets_nothing(recipe, tmp_path, edited):
    store = Store(tmp_path / "store")
    settle_sources(recipe, store, "rebuild")
    edited()
    for _ in range(2):
        with pytest.raises(PluginError, match=r"s4c .* has changed"):
            settle_sources(recipe, store, "error")


def test_a_node_s_plugins_are_found_wherever_they_stand():
    identity = {"chain": [identify("postprocessor", "components", {})], "x": {"y": identify("backbone", "s4c", {})}}
    assert sorted(made_with(identity)) == ["backbone s4c", "postprocessor components"]
    assert made_with({"a": [1, "b"]}) == {}
