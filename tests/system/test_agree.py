"""`pnetkit agree`: other inference settings beside the plain search, on the same scans and networks."""

import csv
import json

import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.errors import CohortError
from pnetkit.model.folder import read_model
from pnetkit.screening.agreement import (
    PARTS,
    PLAIN,
    InputAgreement,
    agreements,
    checked_cases,
    mean_change,
    mean_overlap,
)
from pnetkit.screening.screener import load_screener

COARSE = (
    "inference.search=coarse-to-fine",
    "inference.coarse.largest_share=1.0",
    "inference.coarse.margin_voxels=8",
)


@pytest.fixture(scope="module")
def screeners(model):
    loaded = read_model(model)
    return [load_screener(loaded, device="cpu", folds=[0], overrides=how) for how in (PLAIN, PLAIN, COARSE)]


@pytest.mark.slow
def test_the_plain_search_agrees_with_itself_in_everything(screeners, table):
    plain, same, _ = screeners
    found = list(agreements(plain, same, checked_cases(plain, table, most=2)))
    assert len(found) == 2
    for item in found:
        assert item.same_decision
        for scan in item.inputs:
            assert scan.windows[0] == scan.windows[1]
            assert all(value in {1.0, None} for value in scan.overlap.values())
            assert scan.references is not None
            assert scan.references[0] == scan.references[1]
            assert scan.recall is None


def scan(overlap, references=None):
    parts = [None if values is None else dict.fromkeys(PARTS, values) for values in (references or (None, None))]
    return InputAgreement("scan", (1, 1), dict.fromkeys(PARTS, overlap), references and tuple(parts), None, "")


def test_means_leave_out_scans_that_have_nothing_to_compare():
    found = [scan(0.5), scan(1.0), scan(None)]
    assert mean_overlap(found, "tumor") == 0.75
    assert mean_overlap([scan(None)], "tumor") is None
    assert mean_change(found, "tumor") is None
    found = [scan(1.0, (0.5, 0.75)), scan(1.0, (0.5, 0.5))]
    assert mean_change(found, "duct") == 0.125


def test_a_coarse_search_says_how_much_of_the_reference_lies_in_its_region(screeners, table):
    plain, _, coarse = screeners
    (item,) = agreements(plain, coarse, checked_cases(plain, table, most=1))
    for scan in item.inputs:
        assert scan.fallback or 0 <= scan.recall <= 1
        assert set(scan.overlap) == set(PARTS)


@pytest.mark.slow
def test_the_command_sums_up_and_gives_json(model, table):
    asked = [str(model), str(table), "--fold", "0", "--cases", "2", "--device", "cpu", "--threads", "1"]
    said = CliRunner().invoke(cli, ["agree", *asked, "--set", "inference.body=box"])
    assert said.exit_code == 0, said.output
    assert "Decisions the same:" in said.output
    assert "of 2." in said.output
    assert "Change of the Dice with the reference:" in said.output
    as_json = json.loads(CliRunner().invoke(cli, ["agree", *asked, "--json"]).output)
    assert [item["same_decision"] for item in as_json] == [True, True]


def test_settings_that_are_no_inference_settings_are_refused(model, table):
    said = CliRunner().invoke(cli, ["agree", str(model), str(table), "--set", "training.iterations=3"])
    assert said.exit_code == 2
    assert "wanted inference.KEY=VALUE" in said.output


def test_faults_of_all_files_are_told_at_once(screeners, table, tmp_path):
    cases = list(csv.DictReader(table.read_text().splitlines()))[:2]
    for number, case in enumerate(cases):
        case |= {key: f"gone_{key}_{number}.nii.gz" for key in case if key.endswith("_image")}
    with (tmp_path / "cases.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, cases[0])
        writer.writeheader()
        writer.writerows(cases)
    with pytest.raises(CohortError) as caught:
        checked_cases(screeners[0], tmp_path / "cases.csv")
    assert str(caught.value).count("gone_") >= 4
