"""What docs/deploy.md and the files beside it say is there: commands with their options, metrics, files, settings."""

import json
import re
from pathlib import Path

import click
import pytest

from pnetkit.cli.main import cli
from pnetkit.module.settings import settings_of
from pnetkit.serve.metrics import metrics_text
from pnetkit.serve.queue import Queue

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "deploy.md").read_text(encoding="utf-8")
UNITS = sorted((DOCS / "deploy").glob("*.service"))


def commands():
    """Every command line of pnetkit in the page and the units, as words."""
    text = PAGE.replace("\\\n", " ") + "\n".join(path.read_text(encoding="utf-8") for path in UNITS)
    names = r"serve (?:dicom|http)|module|screen|export|agree|compare"
    found = re.findall(rf"(?:^|[`=/ ])pnetkit ((?:{names})\b[^`\n]*)", text, re.MULTILINE)
    return [line.split() for line in found]


def test_every_command_and_option_is_there():
    lines = commands()
    assert {words[0] for words in lines} >= {"serve", "module", "export"}
    for words in lines:
        command: click.Command = cli
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        given = {word for word in words if word.startswith("--")}
        assert given <= known, (command.name, given - known)


def test_every_option_that_the_text_speaks_of_is_one_of_a_service():
    serve = cli.commands["serve"]
    known = {option for of in serve.commands.values() for parameter in of.params for option in parameter.opts}
    known |= {"--build-arg", "--network", "--data-binary", "--rm"} | {
        option for name in ("module", "screen") for parameter in cli.commands[name].params for option in parameter.opts
    }
    assert set(re.findall(r"(?<![\w|-])--[a-z][a-z-]*", PAGE)) <= known


def test_every_metric_is_one_that_is_written(tmp_path):
    queue = Queue(tmp_path / "state", model="m")
    written = metrics_text(queue, ready_workers=1)
    queue.close()
    said = set(re.findall(r"pnetkit_[a-z_]+", PAGE))
    assert len(said) > 5
    assert all(f"# TYPE {name} " in written for name in said)


def test_every_file_that_is_linked_is_there():
    links = re.findall(r"\]\(([\w./-]+)\)", PAGE)
    assert "deploy/orthanc.lua" in links
    assert all((DOCS / link).is_file() for link in links)
    assert len(UNITS) == 2
    assert all(f"deploy/{path.name}" in links for path in UNITS)


def test_the_settings_that_are_shown_are_settings():
    blocks = re.findall(r"(?:^    .*\n)+", PAGE, re.MULTILINE)
    shown = [block for block in blocks if block.startswith("    {")]
    assert len(shown) == 2
    for text in shown:
        settings_of(json.loads(text), "docs/deploy.md")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_keeps_its_state_where_the_service_is_told(unit):
    text = unit.read_text(encoding="utf-8")
    (folder,) = re.findall(r"^StateDirectory=(\S+)$", text, re.MULTILINE)
    assert f"--state /var/lib/{folder} " in text
