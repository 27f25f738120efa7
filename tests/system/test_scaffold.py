"""A plugin that lives outside of the repository: scaffolded, installed, checked, trained, compared."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.errors import PluginError
from pnetkit.scaffold import write
from tests.system.conftest import TINY

KINDS = {
    "backbone": "tiny-net",
    "postprocessor": "no-specks",
    "case-classifier": "by-volume",
    "phase-fusion": "on-average",
}


def call(*arguments, site, folder):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder / "site"), *map(str, made)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.mark.timeout(300)
def test_every_scaffolded_plugin_conforms_by_its_own_tests_and_by_the_command(outside):
    for kind, name in KINDS.items():
        tests = outside / f"pnetkit-{name}" / "tests"
        said = call("-m", "pytest", "-q", tests, "-p", "no:cacheprovider", site=outside / "site", folder=outside)
        assert " passed" in said
        assert "failed" not in said
        said = call("-m", "pnetkit", "plugins", "check", name, site=outside / "site", folder=outside)
        assert f"{name} conforms." in said
        assert kind != "backbone" or "M parameters" in said


@pytest.mark.timeout(300)
def test_a_plugin_from_outside_is_trained_and_compared_beside_the_paper_s(outside):
    (outside / "tiny.yaml").write_text(TINY)
    (outside / "mine.yaml").write_text(
        "extends: tiny.yaml\nname: mine\nbackbone: {plugin: tiny-net}\nclassifier: {plugin: by-volume}\n"
        "postprocess: [{plugin: no-specks}]\nfusion: {plugin: on-average}\n"
    )
    arguments = ["compare", "mine.yaml", "--baseline", "tiny.yaml", "--profile", "demo", "--format", "json"]
    call("-m", "pnetkit", *arguments, "--workers", 0, "--out", "table.json", site=outside / "site", folder=outside)
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


def test_nothing_is_written_over(tmp_path):
    write.write_plugin("backbone", "x", tmp_path, pnetkit_version="0.1.0")
    with pytest.raises(PluginError, match="is there already"):
        write.write_plugin("phase-fusion", "x", tmp_path, pnetkit_version="0.1.0")
    assert Path(tmp_path / "pnetkit-x" / "pnetkit_x" / "backbone.py").is_file()


PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")


def block(language, number=0):
    """A code block of the tutorial."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[number]


@pytest.mark.timeout(300)
def test_the_tutorial_s_own_code_leads_to_a_row_in_a_comparison(outside, tmp_path):
    first, install, check = (line.split("#")[0].split() for line in block("sh").strip().splitlines())
    assert first == ["pnetkit", "plugins", "new", "backbone", "tiny-net"]
    assert install == ["pip", "install", "-e", "pnetkit-tiny-net"]  # the fixture installed the very same distribution
    site = {"site": outside / "site", "folder": tmp_path}
    call("-m", *first, **site)
    ours, installed = (folder / "pnetkit-tiny-net" / "pnetkit_tiny_net" for folder in (tmp_path, outside))
    assert (ours / "backbone.py").read_bytes() == (installed / "backbone.py").read_bytes()
    assert "conforms." in call("-m", *check, **site)
    (tmp_path / "test_page.py").write_text(block("python"))
    assert "failed" not in call("-m", "pytest", "-q", "test_page.py", "-p", "no:cacheprovider", **site)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "s4c_dual.yaml").write_text(TINY)
    (tmp_path / "mine.yaml").write_text(block("yaml"))
    command = block("sh", 1).split()
    assert command[:2] == ["pnetkit", "compare"]
    said = call("-m", *command, "--workers", 0, "--format", "markdown", **site)
    assert "tiny_net" in said
