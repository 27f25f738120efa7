"""The container: its file says what is there, and its steps make what it promises, also without a daemon."""

import os
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from sysconfig import get_path

import pytest

from pnetkit.cli.main import cli

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "deploy" / "Containerfile"


def instructions():
    """The file's instructions: a name and its argument each."""
    text = FILE.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(name.upper(), rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def arguments():
    return {
        key: value.strip('"')
        for name, rest in instructions()
        if name == "ARG"
        for key, _, value in [rest.partition("=")]
    }


def test_every_instruction_is_one_that_docker_and_podman_know():
    known = {"ARG", "FROM", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in instructions()} <= known


def test_what_is_copied_is_there_and_no_ignored_file():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line]
    let_in = [line[1:] for line in lines if line.startswith("!")]
    copied = [rest.split()[:-1] for name, rest in instructions() if name == "COPY" and not rest.startswith("--from")]
    sources = [source for of in copied for source in of]
    assert sorted(sources) == sorted(let_in)
    assert lines[0] == "*"
    assert all((ROOT / source).exists() for source in sources)
    assert any(fnmatch("pnetkit/__pycache__", line.replace("**/", "*")) for line in lines)


def test_the_plugins_and_extras_that_are_installed_are_there():
    for name in arguments()["PLUGINS"].split():
        assert (ROOT / "plugins" / name / "pyproject.toml").is_file()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (extras,) = re.findall(r"\.\[([a-z,]+)\]", FILE.read_text(encoding="utf-8"))
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    requirements = (ROOT / "plugins" / "requirements.txt").read_text(encoding="utf-8")
    assert re.search(r"^torch==\S+", requirements, re.MULTILINE)[0] == arguments()["TORCH"]


def test_it_starts_as_a_module_and_not_as_root():
    said = dict(instructions())
    assert (said["ENTRYPOINT"], said["CMD"]) == ('["pnetkit"]', '["module"]')
    assert "module" in cli.commands
    assert said["USER"] not in ("0", "root")


@pytest.mark.slow
def test_its_steps_run_in_a_plain_folder_and_what_they_made_answers(tmp_path):
    """Every RUN of the first stage, with the folders of the container below this one, and nothing fetched."""
    view = tmp_path / "view"  # what is installed here stands for the index, without pnetkit itself
    view.mkdir()
    for path in Path(get_path("purelib")).iterdir():
        if (
            not path.name.startswith(("pnetkit", "__editable__", "_editable", "pip", "__pycache__"))
            and path.suffix != ".pth"
        ):
            (view / path.name).symlink_to(path)
    environment = (
        os.environ
        | arguments()
        | {"PYTHONPATH": str(view), "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_COMPILE": "1"}
    )
    environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or pnetkit would be compiled anew by each of its commands

    def inside(text):
        return re.sub(r"(?<![\w.])/(src|opt/pnetkit)\b", rf"{tmp_path}/\1", text)

    stage = 0
    for name, rest in instructions():
        stage += name == "FROM"
        if name == "COPY" and stage == 1:
            *sources, target = inside(rest).split()
            place = Path(target)
            place.mkdir(parents=True, exist_ok=True)
            for source in sources:
                inner = "/." if (ROOT / source).is_dir() else ""
                subprocess.run(["cp", "-r", f"{ROOT / source}{inner}", str(place)], check=True)
        if name == "RUN" and stage == 1:
            done = subprocess.run(
                ["sh", "-ec", inside(rest)], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
            )
            if "No matching distribution found" in done.stderr:
                pytest.skip(f"needs what is not installed here: {done.stderr.splitlines()[-1]}")
            assert done.returncode == 0, (rest, done.stdout[-2000:], done.stderr[-2000:])
    pnetkit = [str(tmp_path / "opt" / "pnetkit" / "bin" / "pnetkit")]
    done = subprocess.run([*pnetkit, "serve", "--help"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "http" in done.stdout) == (0, True), done.stderr
    (tmp_path / "in").mkdir()
    done = subprocess.run(
        [*pnetkit, "module"],
        env=environment | {"MERCURE_IN_DIR": str(tmp_path / "in"), "MERCURE_OUT_DIR": str(tmp_path / "out"),
                           "PNETKIT_MODEL": str(tmp_path / "none")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 9
    assert "NOT SCREENED" in (tmp_path / "out" / "result.json").read_text()
