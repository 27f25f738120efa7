"""Whole runs: what they write, and where they refuse to write."""

import csv
import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.errors import StoreError
from pnetkit.recipe.check import load_recipe, resolved
from tests.system.conftest import TINY, copy_store
from tests.system.written import rows


@pytest.mark.slow
def test_a_run_writes_recipe_record_cases_figures_tables_and_segmentations(finished):
    runner, result = finished
    folder = result.folder
    written, given = load_recipe(folder / "recipe.yaml").recipe, load_recipe(runner.recipe, "demo").recipe
    assert resolved(written) == resolved(given)
    record = json.loads((folder / "run.json").read_text())
    assert record["backbone_parameters"] > 0
    assert record["plugins"]["backbone"]["distribution"] == "pnetkit-s4c"
    assert {"versions", "hardware", "device", "seconds", "stages", "failed"} <= record.keys()
    assert [row["case_id"] for row in rows(folder)] == ["P000", "P001", "P002", "P003"]
    assert {row["status"] for row in rows(folder)} == {"ok"}
    assert {row["fold"] for row in rows(folder)} == {"0", "1"}
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["cases"] == 4
    assert metrics["fused"]["sensitivity"]["total"] == 2


def test_every_table_says_that_phantoms_are_no_patients(finished):
    text = (finished[1].folder / "tables.md").read_text()
    assert text.count("generated phantoms, seed 0 (synthetic, not clinical data)") == 3
    assert text.count("Research use only") == 3


@pytest.mark.slow
def test_a_run_says_first_that_phantoms_are_no_patients_and_prints_both_tables(trained_once, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    copy_store(trained_once, tmp_path / "runs" / ".store")
    done = CliRunner().invoke(cli, ["run", "tiny.yaml", "--workers", "0", "--no-report"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "generated phantoms" in lines[0]
    assert "no figure below says anything about patients" in lines[0]
    assert any(line.startswith("Table 1.") for line in lines)
    assert any(line.startswith("Table 2.") for line in lines)
    assert sum("synthetic, not clinical data" in line for line in lines) == 3
    (folder,) = (tmp_path / "runs").glob("tiny-demo-*")
    assert lines[-1] == f"Results: {folder.relative_to(tmp_path)}"


def test_segmentations_lie_on_the_original_grids(finished):
    runner, result = finished
    tables = list((runner.folder / "store").rglob("cohort.csv"))
    for row in csv.DictReader(tables[0].read_text().splitlines()):
        for phase in ("arterial", "venous"):
            image = nib.load(tables[0].parent / row[f"{phase}_image"])
            found = nib.load(result.folder / "segmentations" / f"{row['case_id']}_{phase}.nii.gz")
            assert found.shape == image.shape
            assert np.array_equal(found.affine, image.affine)
            assert np.asarray(found.dataobj).dtype == np.uint8
            assert set(np.unique(found.dataobj)) <= {0, 1, 2, 3}


def test_lesions_agree_with_the_reference_labels(finished):
    runner, result = finished
    lesions = list(csv.DictReader((result.folder / "lesions.csv").read_text().splitlines()))
    table = next((runner.folder / "store").rglob("cohort.csv"))
    for row in csv.DictReader(table.read_text().splitlines()):
        for phase in ("arterial", "venous"):
            reference = int((np.asarray(nib.load(table.parent / row[f"{phase}_label"]).dataobj) == 2).sum())
            for criterion in ("any", "iou"):
                place = (row["case_id"], phase, criterion, "lesion")
                own = [x for x in lesions if (x["case_id"], x["phase"], x["criterion"], x["kind"]) == place]
                assert sum(int(x["voxels"]) for x in own) == reference


def test_cases_agree_with_the_segmentations_and_the_rule(finished):
    folder = finished[1].folder
    seen = 0
    for row in rows(folder):
        calls = []
        for phase in ("arterial", "venous"):
            labels = np.asarray(nib.load(folder / "segmentations" / f"{row['case_id']}_{phase}.nii.gz").dataobj)
            tumor, duct = int((labels == 2).sum()), int((labels == 3).sum())
            assert (int(row[f"{phase}_tumor_voxels"]), int(row[f"{phase}_duct_voxels"])) == (tumor, duct)
            assert float(row[f"{phase}_score"]) == max(tumor / 5, duct / 5)
            calls.append(max(tumor, duct) >= 5)
            seen += int((labels > 0).sum())
        assert row["called_abnormal"] == str(int(any(calls)))
    assert seen > 0  # a network that finds nothing would make this test an empty one


@pytest.mark.slow
def test_thresholds_are_chosen_on_the_other_folds_and_the_tables_say_so(warm):
    strict = "classifier.params={tumor_voxels: 100000, duct_voxels: 100000}"  # nothing is as large
    fixed = warm("fixed", sets=[strict])
    result = warm(sets=[strict, "operating_point={target: sensitivity, at_least: 1}"])
    assert result.made == {}
    assert {row["called_abnormal"] for row in rows(fixed.folder)} == {"0"}
    assert "Thresholds: the recipe's, the same for every fold." in (fixed.folder / "tables.md").read_text()
    assert "chosen for each fold on the other folds, for a sensitivity" in (result.folder / "tables.md").read_text()
    points = json.loads((result.folder / "run.json").read_text())["operating_points"]
    assert points.keys() == {"0", "1"}
    for row in rows(result.folder):
        factors = points[row["fold"]]["factors"]
        calls = [float(row[f"{p}_score"]) >= factors[p] for p in factors]
        assert row["called_abnormal"] == str(int(any(calls)))
    assert {row["fold"] for row in rows(fixed.folder)} == {"0", "1"}
    assert all(min(point["factors"].values()) < 1 for point in points.values() if point["reached"])
    for fold, point in points.items():
        others = [row for row in rows(result.folder) if row["fold"] != fold and row["abnormal"] == "1"]
        found = [any(float(row[f"{p}_score"]) >= point["factors"][p] for p in point["factors"]) for row in others]
        assert point["reached"] == all(found)
    assert {point["reached"] for point in points.values()} == {True, False}  # one fold has no score above 0


@pytest.mark.slow
def test_agreement_maps_are_written_when_asked_for(warm):
    result = warm(sets=["phases=[venous]", "inference.keep_votes=true", "inference.stride=8"])
    maps = sorted((result.folder / "segmentations").glob("*_agreement.nii.gz"))
    assert len(maps) == 4
    values = np.asarray(nib.load(maps[0]).dataobj)
    asked = values[values > 0]
    assert 0.2 < asked.size / values.size < 1  # nobody is asked about what lies outside the body
    assert asked.min() >= 25  # of four classes one has at least a quarter of the votes
    assert asked.max() == 100


@pytest.mark.slow
def test_a_place_that_cannot_be_written_is_an_error_in_words(tiny):
    (tiny.folder / "file").write_text("I am a file")
    with pytest.raises(StoreError, match=r"not a folder|is a file"):
        tiny("file/out")
    with pytest.raises(StoreError, match="choose another place"):
        tiny(store="file/store")


@pytest.mark.slow
def test_a_folder_of_something_else_is_never_written_into(finished, tiny):
    (tiny.folder / "thesis").mkdir()
    (tiny.folder / "thesis" / "chapter.txt").write_text("mine")
    with pytest.raises(StoreError, match="is not empty, and no run has claimed it"):
        tiny("thesis")
    runner, result = finished
    with pytest.raises(StoreError, match="holds another run"):
        replace(runner)(result.folder.name, sets=["classifier.params.tumor_voxels=9"])
