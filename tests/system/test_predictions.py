"""Predictions made elsewhere: the rules, fusion and figures are those of a run, and what does not fit is said."""

import csv
import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.cohort.check import LabelPolicy
from pnetkit.cohort.predictions import Predictions
from pnetkit.errors import CohortError, RecipeError
from tests.system.conftest import results

pytestmark = pytest.mark.slow


@pytest.fixture
def table(finished):
    return next((finished[0].folder / "store").rglob("cohort.csv"))


def raw_segmentations(finished, folder):
    """What the finished run's networks said, before any rule."""
    runner, result = finished
    folder.mkdir()
    for node in json.loads((result.folder / "run.json").read_text())["stages"]:
        if node["stage"] == "segment":
            case, phase = node["label"].split()
            source = runner.folder / "store" / "segment" / node["key"][:32] / "labels.nii.gz"
            shutil.copyfile(source, folder / f"{case}_{phase}.nii.gz")
    assert len(list(folder.iterdir())) == 8
    return folder


def test_a_run_s_own_segmentations_taken_in_give_the_run_s_figures(finished, tmp_path):
    runner, result = finished
    predictions = Predictions(raw_segmentations(finished, tmp_path / "made"))
    again = runner("adopted", predictions=predictions)
    ours, theirs = results(again.folder), results(result.folder)
    for name in ours:
        if name != "tables.md":
            assert ours[name] == theirs[name], name
    record = json.loads((again.folder / "run.json").read_text())
    assert record["plugins"]["backbone"] is None
    assert record["networks"] == []
    assert {stage["stage"] for stage in record["stages"]} == {"adopt", "postprocess", "classify", "measure"}
    assert "Segmentations were made elsewhere" in (again.folder / "tables.md").read_text()


def test_predictions_are_an_arm_beside_a_run_in_a_comparison(finished, tmp_path):
    runner, result = finished
    folder = raw_segmentations(finished, tmp_path / "made")
    arm = runner("arm", predictions=Predictions(folder), sets=["name=elsewhere"])
    called = CliRunner().invoke(
        cli, ["compare", str(arm.folder), "--baseline", str(result.folder), "--format", "markdown"]
    )
    assert called.exit_code == 0, called.output
    assert "| elsewhere" in called.output
    assert "made elsewhere" in called.output


def test_values_are_mapped_and_one_file_may_hold_for_both_phases(finished, table, tmp_path):
    runner, _ = finished
    folder = tmp_path / "made"
    folder.mkdir()
    venous = [p for p in (table.parent / "labels").iterdir() if "venous" in p.name]
    assert venous
    for path in venous:
        image = nib.load(path)
        values = np.asarray(image.dataobj).astype(np.uint8)
        spread = np.select([values == 1, values == 2, values == 3], [7, 90, 91], 0).astype(np.uint8)
        nib.save(nib.Nifti1Image(spread, image.affine), folder / f"{path.name.split('_')[0]}_pred.nii.gz")
    predictions = Predictions(folder, "{case}_pred.nii.gz", LabelPolicy({7: 1, 90: 2, 91: 3}, "background"))
    sets = ["phases=[venous]", "postprocess=[]"]
    found = runner("perfect", predictions=predictions, sets=sets)
    assert found.metrics.phases["venous"].decision.sensitivity.successes == 2


def test_missing_and_misplaced_predictions_are_listed_over_the_whole_cohort(finished, tmp_path):
    runner, _ = finished
    folder = raw_segmentations(finished, tmp_path / "made")
    (folder / "P000_venous.nii.gz").unlink()
    image = nib.load(folder / "P002_arterial.nii.gz")
    moved = image.affine.copy()
    moved[0, 3] += 5
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), moved), folder / "P002_arterial.nii.gz")
    with pytest.raises(CohortError) as caught:
        runner("bad", predictions=Predictions(folder))
    text = str(caught.value)
    assert "case P000, venous" in text
    assert "there is no such file" in text
    assert "case P002, arterial" in text
    assert "5 mm apart" in text
    some = runner("skipped", predictions=Predictions(folder), on_bad_case="skip")
    rows = {
        row["case_id"]: row["status"] for row in csv.DictReader((some.folder / "cases.csv").read_text().splitlines())
    }
    assert rows == {"P000": "quarantined", "P001": "ok", "P002": "quarantined", "P003": "ok"}


def test_a_folder_without_any_prediction_and_a_classifier_that_needs_networks_are_refused(finished, tmp_path):
    runner, _ = finished
    with pytest.raises(CohortError, match="there is no such folder"):
        runner("none", predictions=Predictions(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(CohortError, match="no prediction fits"):
        runner("none", predictions=Predictions(tmp_path / "empty"))
    folder = raw_segmentations(finished, tmp_path / "made")
    with pytest.raises(RecipeError, match="needs networks"):
        runner("learned", predictions=Predictions(folder), sets=["classifier={plugin: roi-classifier}"])


def one_patient(table, folder):
    """Give the table of P001 alone, and its reference labels as predictions."""
    rows = [row for row in csv.DictReader(table.read_text().splitlines()) if row["case_id"] == "P001"]
    absolute = {
        key: str(table.parent / value) if key.endswith(("_image", "_label")) else value
        for key, value in rows[0].items()
    }
    with (folder / "one.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, absolute)
        writer.writeheader()
        writer.writerow(absolute)
    (folder / "made").mkdir()
    for phase in ("arterial", "venous"):
        shutil.copyfile(absolute[f"{phase}_label"], folder / "made" / f"P001_{phase}.nii.gz")
    return folder / "one.csv"


def test_one_patient_can_be_evaluated_whatever_the_folds_and_is_told_why_it_cannot_be_trained_on(
    finished, table, tmp_path
):
    runner, _ = finished
    one = one_patient(table, tmp_path)
    found = runner("one", table=one, predictions=Predictions(tmp_path / "made"), sets=["cohort.folds=4"])
    assert found.metrics.fused.sensitivity.total == 1
    assert (found.metrics.phases["venous"].tumor_abnormal.mean, found.metrics.fused.sensitivity.successes) == (1, 1)
    with pytest.raises(CohortError, match="1 patient cannot be trained on and tested; add others, or evaluate"):
        runner("untrained", table=one)


def test_faults_of_images_are_said_where_all_have_some_and_where_no_prediction_fits(finished, table, tmp_path):
    runner, _ = finished
    one = one_patient(table, tmp_path)
    text = one.read_text()
    for phase in ("arterial", "venous"):
        (tmp_path / f"{phase}.nii.gz").write_bytes(b"not an image")
        text = text.replace(str(table.parent / "images" / f"P001_{phase}.nii.gz"), f"{phase}.nii.gz")
    one.write_text(text)
    with pytest.raises(CohortError, match=r"1 of 1 cases have faults(.|\n)*arterial\.nii\.gz: cannot be unpacked"):
        runner("all", table=one, predictions=Predictions(tmp_path / "made"))
    one.write_text(text.replace("venous.nii.gz", str(table.parent / "images" / "P001_venous.nii.gz"), 1))
    (tmp_path / "made" / "P001_venous.nii.gz").unlink()
    with pytest.raises(CohortError) as caught:
        runner("one", table=one, predictions=Predictions(tmp_path / "made"))
    assert "P001_venous.nii.gz: there is no such file" in str(caught.value)
    assert "arterial.nii.gz: cannot be unpacked" in str(caught.value)
