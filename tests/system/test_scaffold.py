"""A plugin that lives outside of the repository: scaffolded, installed, checked, trained, compared."""

import json
import re
import shlex
import tomllib
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from hatchling.builders.wheel import WheelBuilder

from pnetkit.cli.main import cli
from pnetkit.errors import PluginError
from pnetkit.recipe.check import load_recipe
from pnetkit.registry import plugin_info
from pnetkit.scaffold import write
from tests.forked import begin_module
from tests.system.conftest import TINY

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")


def block(language, number=0):
    """A code block of the tutorial."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[number]


def commands(number):
    """The commands of a shell block of the tutorial, as the shell takes them apart."""
    lines = block("sh", number).replace("\\\n", " ").splitlines()
    return [[word for word in shlex.split(line, comments=True) if word != "&&"] for line in lines]


KINDS = {
    "backbone": "tiny-net",
    "postprocessor": "no-specks",
    "case-classifier": "by-volume",
    "phase-fusion": "on-average",
}


SETS = ("training.iterations=1", "cohort.phantom.cases=4", "phases=[venous]")
SMALL = [*(word for value in SETS for word in ("--set", value)), "--workers", "0"]


def call(*arguments, site, folder):
    """Give what `python -m` says to these where a site's plugins are installed."""
    said = folder / "said.txt"
    process = begin_module(said, *map(str, arguments), site=site, folder=folder)
    process.join()
    assert process.exitcode == 0, said.read_text()
    return said.read_text()


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """Four distributions, made by the scaffold and installed beside the environment."""
    folder = tmp_path_factory.mktemp("outside")
    made = []
    for kind, name in KINDS.items():
        result = CliRunner().invoke(cli, ["plugins", "new", kind, name, "--dir", str(folder)])
        assert result.exit_code == 0, result.output
        assert f"pnetkit plugins check {name}" in result.output
        made.append(folder / f"pnetkit-{name}")
    for distribution in made:  # what pip does with them, without its four environments to build in
        (wheel,) = WheelBuilder(str(distribution)).build(directory=str(folder), versions=["standard"])
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "site")
    return folder


CHECKS = f"""
from pathlib import Path

import pytest
from click.testing import CliRunner
from pnetkit.cli.main import cli


@pytest.mark.parametrize("name", {list(KINDS.values())})
def test_the_command_finds_no_fault(name):
    result = CliRunner().invoke(cli, ["plugins", "check", name])
    Path(f"{{name}}.txt").write_text(result.output)
    assert result.exit_code == 0, result.output
"""


@pytest.fixture(scope="module")
def tried(outside):
    """What is said of each by pytest, for their own tests and the tutorial's, and by `pnetkit plugins check`.

    All in one process: the export to ONNX, which every check of a backbone makes, takes seconds to import.
    """
    (outside / "test_page.py").write_text(block("python", 1))
    (outside / "test_checks.py").write_text(CHECKS)
    tests = ["test_page.py", "test_checks.py", *(f"pnetkit-{name}/tests" for name in KINDS.values())]
    options = ["-q", "-rA", "--rootdir", outside, "--import-mode=importlib", "-p", "no:cacheprovider"]
    made_twice_already = "test_page.py::test_tiny_net_conforms[onnx]"
    options += ["-p", "no:logging", "--deselect", made_twice_already]
    said = call("pytest", *tests, *options, site=outside / "site", folder=outside)
    assert "failed" not in said
    return said, {name: (outside / f"{name}.txt").read_text() for name in KINDS.values()}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_scaffolded_plugin_conforms_by_its_own_tests_and_by_the_command(tried):
    tested, checked = tried
    for kind, name in KINDS.items():
        assert f"PASSED pnetkit-{name}/tests/" in tested
        assert f"{name} conforms." in checked[name]
        assert kind != "backbone" or "M parameters" in checked[name]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_plugin_from_outside_is_trained_and_compared_beside_the_paper_s(outside):
    (outside / "tiny.yaml").write_text(TINY)
    (outside / "mine.yaml").write_text(
        "extends: tiny.yaml\nname: mine\nbackbone: {plugin: tiny-net, params: {width: 8}}\n"
        "classifier: {plugin: by-volume}\npostprocess: [{plugin: no-specks}]\nfusion: {plugin: on-average}\n"
    )
    arguments = ["compare", "mine.yaml", "--baseline", "tiny.yaml", "--profile", "demo", *SMALL, "--store", "store"]
    call("pnetkit", *arguments, "--format", "json", "--out", "table.json", site=outside / "site", folder=outside)
    text = (outside / "table.json").read_text()
    assert "mine" in text
    json.loads(text)
    (record,) = (outside / "runs").glob("mine-demo-*/run.json")
    plugins = json.loads(record.read_text())["plugins"]
    assert plugins["backbone"]["distribution"] == "pnetkit-tiny-net"
    assert plugins["fusion"]["plugin"] == "on-average"
    assert len(plugins["backbone"]["source"]) == 64


@pytest.mark.parametrize("name", ["My-Net", "9net", "a_b", "../x", "", "a--b"])
def test_a_name_that_no_package_can_have_is_refused(tmp_path, name):
    with pytest.raises(PluginError, match="cannot be a plugin's name"):
        write.write_plugin("backbone", name, tmp_path, pnetkit_version="0.1.0")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("backbone", "pnetkit-3d", "its class would be called '3d', which Python cannot read as a name"),
        ("backbone", "none", "its class would be called 'None', which is a word of Python's own"),
        ("postprocessor", "true", "'True', which is a word of Python's own"),
        ("case-classifier", "phase-finding", "'PhaseFinding', which is a name that its file imports"),
        ("phase-fusion", "pnetkit-mapping", "'Mapping', which is a name that its file imports"),
        ("backbone", "tensor", "'Tensor', which is a name that its file imports"),
        ("postprocessor", "segmentation", "'Segmentation', which is a name that its file imports"),
        ("postprocessor", "rules", "pnetkit-rules .* is installed already, and would be replaced"),
        ("backbone", "pnetkit-s4c", "pnetkit-s4c .* is installed already, and would be replaced"),
        ("postprocessor", "components", "pnetkit-rules has a postprocessor of that name already"),
    ],
)
def test_a_name_that_would_not_work_or_replace_something_is_refused(tmp_path, kind, name, said):
    words = rf"^'{name}' cannot be a {kind}'s name: .*{said}.*\. Choose another name\.$"
    with pytest.raises(PluginError, match=words):
        write.write_plugin(kind, name, tmp_path, pnetkit_version="0.1.0")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_only_another_kind_s_file_imports_is_taken(tmp_path, kind):
    name = "tensor" if kind != "backbone" else "evidence"
    made = write.write_plugin(kind, name, tmp_path, pnetkit_version="0.1.0")
    for path in made.folder.rglob("*.py"):
        compile(path.read_text(), path, "exec")


def test_a_plugin_s_distribution_brings_what_its_tests_need_when_it_is_asked_to(tmp_path):
    made = write.write_plugin("backbone", "x", tmp_path, pnetkit_version="0.1.0")
    content = tomllib.loads((made.folder / "pyproject.toml").read_text())
    assert content["build-system"] == {"requires": ["hatchling"], "build-backend": "hatchling.build"}
    project = content["project"]
    assert project["dependencies"] == ["pnetkit>=0.1,<0.2"]
    assert project["optional-dependencies"] == {"test": ["pytest", "pnetkit[onnx]"]}
    assert "pip install -e '.[test]'" in (made.folder / "README.md").read_text()


def test_the_commands_that_come_next_are_printed_to_be_pasted(tmp_path):
    folder = tmp_path / "my plugins"
    said = CliRunner().invoke(cli, ["plugins", "new", "backbone", "x", "--dir", str(folder)]).output
    assert f"  pip install -e '{folder}/pnetkit-x[test]'\n" in said
    assert f"  python -m pytest '{folder}/pnetkit-x'\n" in said


def test_a_place_where_no_folder_can_be_made_is_refused_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PluginError, match=r"pnetkit-x: cannot be written \(.*\)\. Choose another --dir"):
        write.write_plugin("backbone", "x", tmp_path / "file", pnetkit_version="0.1.0")


def test_nothing_is_written_over(tmp_path):
    write.write_plugin("backbone", "x", tmp_path, pnetkit_version="0.1.0")
    with pytest.raises(PluginError, match="is there already"):
        write.write_plugin("phase-fusion", "x", tmp_path, pnetkit_version="0.1.0")
    assert Path(tmp_path / "pnetkit-x" / "pnetkit_x" / "backbone.py").is_file()


def test_the_tutorial_begins_with_an_environment_that_has_what_its_recipe_names():
    environment, install = commands(0)
    assert environment == ["python3", "-m", "venv", ".venv", ".", ".venv/bin/activate"]
    assert install[:2] + install[3:5] == ["pip", "install", "-e", "."]
    assert re.search(rf"^{install[2]} ", (ROOT / "plugins" / "requirements.txt").read_text(), re.MULTILINE)
    folders = [ROOT / word for word in install[5:] if word != "-e"]
    brought = {tomllib.loads((of / "pyproject.toml").read_text())["project"]["name"] for of in folders}
    recipe = load_recipe(ROOT / "recipes" / "s4c_dual.yaml", "demo").recipe
    named = [("backbone", recipe.backbone), ("case-classifier", recipe.classifier), ("phase-fusion", recipe.fusion)]
    named += [("postprocessor", of) for of in recipe.postprocess]
    assert {plugin_info(kind, of.plugin).distribution for kind, of in named} == brought


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_tutorial_s_own_code_leads_to_a_row_in_a_comparison(outside, tried, tmp_path, monkeypatch):
    first, install, check, tests = commands(1)
    assert first == ["pnetkit", "plugins", "new", "backbone", "tiny-net"]
    assert install == ["pip", "install", "-e", "pnetkit-tiny-net[test]"]  # the fixture installed the very same files
    assert tests == ["python", "-m", "pytest", "pnetkit-tiny-net"]
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(cli, first[1:]).output  # here it is not installed: where it is, its name is refused
    for printed in (install, check, tests):
        assert printed in [shlex.split(line) for line in said.splitlines()[1:]]
    ours, installed = (folder / "pnetkit-tiny-net" / "pnetkit_tiny_net" for folder in (tmp_path, outside))
    assert (ours / "backbone.py").read_bytes() == (installed / "backbone.py").read_bytes()
    assert check == ["pnetkit", "plugins", "check", "tiny-net"]
    assert "conforms." in tried[1]["tiny-net"]
    assert "PASSED test_page.py::" in tried[0]
    (tmp_path / "s4c_dual").write_text(TINY)  # in the place of the shipped recipe, whose networks are larger
    assert "extends: pnetkit:s4c_dual\n" in block("yaml")
    (tmp_path / "mine.yaml").write_text(block("yaml").replace("pnetkit:s4c_dual", "s4c_dual"))
    (command,) = commands(2)
    assert command[:2] == ["pnetkit", "compare"]
    fewer = [*SMALL, "--store", outside / "store"]  # what is set last counts; it may hold these trainings already
    said = call(*command, *fewer, "--format", "markdown", site=outside / "site", folder=tmp_path)
    assert "tiny_net" in said


def test_the_tutorial_s_comparison_is_one_that_the_shipped_recipe_takes():
    (command,) = commands(2)
    sets = [value for word, value in pairwise(command) if word == "--set"]
    recipe = load_recipe(Path(command[command.index("--baseline") + 1]), "demo", sets).recipe
    assert (recipe.training.iterations, recipe.cohort.phantom.cases) == (200, 8)
