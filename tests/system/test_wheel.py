"""The core's wheel carries the recipes, and what is installed from it finds its own."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.unpacking import unpack

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SHIPPED = "pnetkit/shipped_recipes/"


ASKED = """
from pnetkit.cli.main import cli

cli(["recipe", "list", "--json"], standalone_mode=False)
print("---")
cli(["recipe", "show", "ablations/thresholds_mm3"], standalone_mode=False)
"""


def build(folder, out):
    """Build the source distribution and the wheel of the sources in a folder; nothing is fetched."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def recipes_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name.removeprefix(SHIPPED): archive.read(name) for name in archive.namelist() if SHIPPED in name}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("built"))


def test_the_wheel_holds_every_recipe_byte_for_byte(built):
    files = [path for path in (ROOT / "recipes").rglob("*") if path.is_file()]
    assert len(files) > 20
    assert recipes_in(built[0]) == {path.relative_to(ROOT / "recipes").as_posix(): path.read_bytes() for path in files}


def test_a_wheel_that_is_built_from_the_source_distribution_is_the_same(built, tmp_path):
    wheel, sdist = built
    unpack(sdist, tmp_path)
    (unpacked,) = tmp_path.iterdir()
    again, _ = build(unpacked, tmp_path / "out")
    assert again.read_bytes() == wheel.read_bytes()


def test_an_installation_from_the_wheel_lists_its_own_recipes_and_composes_them(built, tmp_path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(built[0]) as archive:
        archive.extractall(site)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}

    done = subprocess.run(
        [sys.executable, "-P", "-c", ASKED], capture_output=True, text=True, check=False, cwd=empty, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    listed, shown = done.stdout.split("---", 1)
    of_the_site = set((site / "pnetkit" / "shipped_recipes").rglob("*.yaml"))
    assert {Path(of["file"]) for of in json.loads(listed)} == of_the_site
    assert "tumor_mm3: 20" in shown
