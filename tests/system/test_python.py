"""docs/python.md runs as it stands, and a model asked in memory says what `pnetkit screen` writes."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import pnetkit
from pnetkit.cli.main import cli

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


@pytest.fixture
def scans(table):
    case = list(csv.DictReader(table.read_text().splitlines()))[2]
    return {phase: table.parent / case[f"{phase}_image"] for phase in ("arterial", "venous")}


def test_a_finding_in_memory_is_the_one_that_screen_writes(model, scans, tmp_path):
    inputs = [f"{phase}={path}" for phase, path in scans.items()]
    out = tmp_path / "out"
    done = CliRunner().invoke(
        cli, ["screen", str(model), *inputs, "--out", str(out), "--case-id", "P2", "--on-gate", "off",
              "--device", "cpu", "--no-report", "--json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    wanted = json.loads((out / "P2" / "finding.json").read_text())
    (told,) = json.loads(done.stdout)  # JSON alone
    assert (told["case_id"], told["finding"]["inputs"]) == ("P2", wanted["inputs"])
    assert set(told) == {"case_id", "status", "finding"}
    wanted.pop("key")
    found = pnetkit.open_model(model, device="cpu").screen(scans, case_id="P2", gates="off")
    assert json.loads(json.dumps(found.record)) == wanted
    for phase in scans:
        found.save_labels(phase, tmp_path / "labels.nii.gz")
        assert (tmp_path / "labels.nii.gz").read_bytes() == (out / "P2" / f"{phase}_segmentation.nii.gz").read_bytes()


def test_the_code_of_the_page_runs(model, finished, scans, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").symlink_to(model)
    shutil.copytree(finished[1].folder, tmp_path / "runs" / "s4c_dual-demo-1")
    for phase, path in scans.items():
        (tmp_path / f"{phase}.nii.gz").symlink_to(path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    for block in blocks:
        exec(block, names)  # the page's own code
    assert len(blocks) == 5
    assert len(names["cases"]) == 4
    assert len(names["missed"]) == sum(not called for called in names["cases"].query("abnormal")["called_abnormal"])
    assert (tmp_path / "venous_segmentation.nii.gz").is_file()
