"""The doctor of plugins: one stand-in distribution for each thing that can be wrong."""

import json
from importlib.metadata import EntryPoints

import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.errors import PluginError
from pnetkit.registry import list_plugins
from pnetkit.testing import examine, installation_findings

KEEP = """
class Keep:
    'Leaves everything.'

    def __call__(self, segmentation):
        return segmentation


class Crops(Keep):
    def __call__(self, segmentation):
        return segmentation.labels


class CropsAndSaysSo(Crops):
    deviations = {name: "by design" for name in ("result", "argument_is_left_alone", "repeats", "scale_in_mm")}


class NeverBuilt(Keep):
    def __init__(self):
        raise RuntimeError("no licence")


def without_default(limit: int):
    return Keep()
"""


@pytest.fixture(autouse=True)
def only_stand_ins(monkeypatch):
    """Leave the plugins that are really installed out: they have their own tests."""
    from pnetkit import registry

    def stand_ins():
        return EntryPoints(
            point
            for point in real()
            if not point.group.startswith("pnetkit.") or point.dist.metadata["Name"].startswith("acme-")
        )

    real = registry._points
    monkeypatch.setattr(registry, "_points", stand_ins)


def one(name):
    (found,) = [info for info in list_plugins() if info.name == name]
    return found


def findings():
    return [examined.finding for examined in map(examine, list_plugins()) if examined.finding]


def test_a_sound_plugin_is_no_finding(install):
    install("acme-keep", "acme_keep", KEEP, postprocessor={"keep": "acme_keep:Keep"})
    assert examine(one("keep")).state == "conforms"
    assert examine(one("keep"), kit=False).state == "imports"
    assert installation_findings() == []


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("acme_bad:Gone", "cannot be imported"),
        ("acme_bad:NeverBuilt", "cannot be built with .*no licence"),
        ("acme_bad:without_default", "'limit' has no default"),
        ("acme_no_such_module:Keep", "cannot be imported: ModuleNotFoundError"),
    ],
)
@pytest.mark.parametrize("kit", [True, False])
def test_what_cannot_be_imported_or_built_is_broken_with_its_distribution(install, target, said, kit):
    install("acme-bad", "acme_bad", KEEP, postprocessor={"bad": target})
    found = examine(one("bad"), kit=kit)
    assert found.state == "broken"
    assert (found.finding.problem, found.finding.distribution) == ("broken", "acme-bad 1.2")
    assert "Reinstall or upgrade acme-bad" in found.finding.advice
    with pytest.raises(PluginError, match=said):
        raise PluginError(found.finding.what)


def test_one_name_from_two_distributions_is_one_conflict_and_neither_is_imported(install):
    install("acme-one", "acme_one", "raise SystemExit", postprocessor={"keep": "acme_one:Keep"})
    install("acme-two", "acme_two", "raise SystemExit", postprocessor={"keep": "acme_two:Keep"})
    (found,) = installation_findings()
    assert (found.problem, found.plugin) == ("conflicting", "postprocessor keep")
    assert found.distribution == "acme-one 1.2 and acme-two 1.2"
    assert found.advice == "Uninstall all but one of them."
    assert {examine(info).state for info in list_plugins()} == {"not examined: two distributions register the name"}


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("pnetkit>=7", "requires pnetkit>=7, and 0.1.0 is installed"),
        ("acme-not-there>=1", "requires acme-not-there>=1, and none is installed"),
        ("numpy<1", "requires numpy<1, and "),
    ],
)
def test_a_distribution_for_other_packages_than_are_installed_is_incompatible(install, requirement, said):
    install("acme-old", "acme_old", KEEP, requires=[requirement], postprocessor={"old": "acme_old:Keep"})
    (found,) = installation_findings()
    assert (found.problem, found.plugin, found.distribution) == ("incompatible", "", "acme-old 1.2")
    assert said in found.what
    assert "Install a release of acme-old for it" in found.advice


def test_requirements_of_other_systems_and_of_extras_are_nobody_s_business(install):
    requires = ["acme-not-there; python_version < '3'", "acme-nor-this; extra == 'more'", "numpy"]
    install("acme-fine", "acme_fine", KEEP, requires=requires, postprocessor={"fine": "acme_fine:Keep"})
    assert installation_findings() == []


def test_a_plugin_for_a_later_interface_only_is_incompatible(install):
    later = {"postprocessor.v2": {"next": "acme_next:Keep", "both": "acme_next:Keep"}}
    install("acme-next", "acme_next", KEEP, postprocessor={"both": "acme_next:Keep"}, **later)
    (found,) = installation_findings()
    assert (found.problem, found.plugin) == ("incompatible", "postprocessor next")
    assert "version 2 of the interface (pnetkit.postprocessor.v2); pnetkit 0.1.0 serves 1" in found.what
    assert "Upgrade pnetkit, or install a release of acme-next" in found.advice


def test_a_misspelled_group_is_named_with_the_right_one(install):
    install("acme-odd", "acme_odd", KEEP, postprocesor={"odd": "acme_odd:Keep"})
    (found,) = installation_findings()
    assert (found.problem, found.distribution) == ("broken", "acme-odd 1.2")
    assert "pnetkit.postprocesor, which is no group of pnetkit. Did you mean 'pnetkit.postprocessor'" in found.what


def test_a_plugin_that_fails_its_kit_is_non_conforming_unless_it_declares_that(install):
    points = {"crops": "acme_crops:Crops", "says-so": "acme_crops:CropsAndSaysSo"}
    install("acme-crops", "acme_crops", KEEP, postprocessor=points)
    (found,) = findings()
    assert (found.problem, found.plugin) == ("non-conforming", "postprocessor crops")
    assert "fails 4 of 5 checks: result, argument_is_left_alone" in found.what
    assert "gives a ndarray, wanted a Segmentation" in found.what
    assert "pnetkit plugins check crops --kind postprocessor" in found.advice
    assert "result deviates as documented" in examine(one("says-so")).state


def test_the_command_goes_through_all_and_ends_with_5_where_anything_is_found(install):
    install("acme-keep", "acme_keep", KEEP, postprocessor={"keep": "acme_keep:Keep"})
    result = CliRunner().invoke(cli, ["plugins", "doctor"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "1 of 1: postprocessor keep (acme-keep 1.2): conforms",
        "No problem found.",
    ]
    install("acme-crops", "acme_crops", KEEP, postprocessor={"crops": "acme_crops:Crops"})
    result = CliRunner().invoke(cli, ["plugins", "doctor"])
    assert isinstance(result.exception, PluginError)
    assert result.exception.exit_code == 5
    assert "1 finding in 2 plugins, listed above." in str(result.exception)
    lines = result.output.splitlines()
    assert lines[0].startswith("1 of 2: postprocessor crops (acme-crops 1.2): fails result")
    assert lines[2].startswith("non-conforming: postprocessor crops (from acme-crops 1.2): fails 4 of 5 checks")
    result = CliRunner().invoke(cli, ["plugins", "doctor", "--no-kit"])
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "No problem found.")


def test_the_command_gives_json_of_plugins_and_findings(install):
    install("acme-bad", "acme_bad", KEEP, postprocessor={"bad": "acme_bad:Gone"})
    result = CliRunner().invoke(cli, ["plugins", "doctor", "--json", "--kind", "postprocessor"])
    report = json.loads(result.stdout)
    assert [(of["name"], of["state"]) for of in report["plugins"]] == [("bad", "broken")]
    assert [(of["problem"], of["plugin"]) for of in report["findings"]] == [("broken", "postprocessor bad")]
