"""Tests of pnetkit.registry: finding plugins, and the three ways in which that fails."""

import sys

import pytest

from pnetkit.errors import BrokenPluginError, ConflictingPluginError, MissingPluginError
from pnetkit.registry import list_plugins, load_factory, plugin_info, plugin_modules

SOURCE = '''
def tidy():
    """Tidy a segmentation up."""
'''


def test_listing_gives_where_a_plugin_comes_from_without_importing_it(install):
    install("acme-tidy", "acme_tidy", SOURCE, postprocessor={"tidy": "acme_tidy:tidy"})
    info = next(p for p in list_plugins(["postprocessor"]) if p.name == "tidy")
    assert (info.distribution, info.version, info.summary) == ("acme-tidy", "1.2", "Tidy a segmentation up.")
    assert info.target == "acme_tidy:tidy"
    assert info.pnetkit_requirement == "pnetkit<0.2,>=0.1"
    assert "acme_tidy" not in sys.modules
    assert load_factory("postprocessor", "tidy") is sys.modules["acme_tidy"].tidy


def test_plugins_are_listed_by_kind_and_name():
    found = [(p.kind, p.name) for p in list_plugins()]
    assert ("backbone", "s4c") in found
    kinds = [kind for kind, _ in found]
    assert kinds == sorted(kinds, key=["backbone", "postprocessor", "case-classifier", "phase-fusion"].index)
    backbones = [name for kind, name in found if kind == "backbone"]
    assert backbones == sorted(backbones)


def test_a_missing_plugin_is_named_with_close_ones():
    with pytest.raises(MissingPluginError, match=r"No backbone plugin is called 's4d'\. Did you mean 's4c'\?"):
        load_factory("backbone", "s4d")
    with pytest.raises(MissingPluginError, match="There is a backbone plugin of that name"):
        load_factory("postprocessor", "s4c")


def test_a_plugin_for_another_version_of_the_interface_is_named_with_its_distribution(install):
    install("acme-next", "acme_next", SOURCE, **{"postprocessor.v2": {"tidier": "acme_next:tidy"}})
    words = (
        r"The postprocessor plugin 'tidier' of acme-next 1\.2 is written for pnetkit\.postprocessor\.v2; this pnetkit "
        r".* reads pnetkit\.postprocessor\. Install"
    )
    with pytest.raises(MissingPluginError, match=words):
        load_factory("postprocessor", "tidier")
    assert not [p for p in list_plugins() if p.name == "tidier"]
    assert "acme_next" not in sys.modules
    with pytest.raises(MissingPluginError, match="No backbone plugin is called 'tidier'"):
        load_factory("backbone", "tidier")


def test_a_plugin_registered_for_two_versions_of_the_interface_is_taken_by_this_one(install):
    points = {"tidy": "acme_both:tidy"}
    install("acme-both", "acme_both", SOURCE, postprocessor=points, **{"postprocessor.v2": points})
    assert plugin_info("postprocessor", "tidy").distribution == "acme-both"


def test_a_plugin_that_cannot_be_imported_is_named_with_its_distribution(install):
    install("acme-bad", "acme_bad", "import nothing_of_that_name", postprocessor={"bad": "acme_bad:tidy"})
    assert plugin_info("postprocessor", "bad").summary == "A plugin for tests"
    with pytest.raises(BrokenPluginError, match=r"'bad' \(acme_bad:tidy, from acme-bad 1\.2\).*nothing_of_that_name"):
        load_factory("postprocessor", "bad")


def test_a_plugin_that_lacks_what_it_names_or_gives_no_callable_is_broken(install):
    points = {"gone": "acme_odd:gone", "number": "acme_odd:NUMBER"}
    install("acme-odd", "acme_odd", "NUMBER = 3", postprocessor=points)
    with pytest.raises(BrokenPluginError, match="'gone'"):
        load_factory("postprocessor", "gone")
    with pytest.raises(BrokenPluginError, match=r"is a int; a plugin has to be a class or function"):
        load_factory("postprocessor", "number")


def test_two_distributions_with_one_name_are_both_named(install):
    install("acme-one", "acme_one", SOURCE, postprocessor={"tidy": "acme_one:tidy"})
    install("acme-two", "acme_two", SOURCE, postprocessor={"tidy": "acme_two:tidy"})
    with pytest.raises(ConflictingPluginError, match=r"'tidy' in pnetkit\.postprocessor: acme-one and acme-two"):
        load_factory("postprocessor", "tidy")
    assert len([p for p in list_plugins() if p.name == "tidy"]) == 2


@pytest.mark.parametrize("ending", ["assert False, 'no licence'", "raise SystemExit('no licence')"])
def test_a_plugin_that_asserts_or_ends_the_program_on_import_is_broken(install, ending):
    install("acme-ends", "acme_ends", ending, postprocessor={"ends": "acme_ends:tidy"})
    words = r"'ends' \(acme_ends:tidy, from acme-ends 1\.2\) cannot be .*: (AssertionError|SystemExit): no licence"
    with pytest.raises(BrokenPluginError, match=words):
        load_factory("postprocessor", "ends")


def test_a_user_s_interrupt_is_no_plugin_s_fault(install):
    install("acme-stop", "acme_stop", "raise KeyboardInterrupt", postprocessor={"stop": "acme_stop:tidy"})
    with pytest.raises(KeyboardInterrupt):
        load_factory("postprocessor", "stop")


def test_an_entry_point_that_names_no_module_is_listed_and_broken(install):
    install("acme-dash", "acme_dash", SOURCE, postprocessor={"dash": "acme-dash:tidy"})
    (info,) = [p for p in list_plugins() if p.name == "dash"]
    assert (info.target, info.summary) == ("acme-dash:tidy", "A plugin for tests")
    assert plugin_modules().get("acme-dash") is None
    with pytest.raises(BrokenPluginError, match=r"'dash' .* cannot be imported: .*wanted package\.module:name"):
        load_factory("postprocessor", "dash")


def test_a_distribution_that_says_nothing_of_itself_is_listed_also_beside_a_backport_of_metadata(install, tmp_path):
    pytest.importorskip("importlib_metadata")  # Dask brings it; it puts itself into the place of the standard one
    install("acme-mute", "acme_mute", "def tidy(): pass", postprocessor={"mute": "acme_mute:tidy"})
    metadata = next(tmp_path.rglob("METADATA"))
    metadata.write_text("".join(line for line in metadata.read_text().splitlines(True) if "Summary" not in line))
    assert plugin_info("postprocessor", "mute").summary == ""
