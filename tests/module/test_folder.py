"""A folder in, a folder out."""

import json

import pytest

from pnetkit.errors import CohortError, ScreeningError, StoreError
from pnetkit.module import folder
from tests.screening.made_up import write_scan


def result_in(out):
    return json.loads((out / "result.json").read_text())


def test_images_by_phase_come_out_as_findings_and_one_result(job, tmp_path):
    write_scan(tmp_path / "in" / "P1_arterial.nii.gz")
    write_scan(tmp_path / "in" / "venous.nii", seed=1)
    folder.run(job())
    said = result_in(tmp_path / "out")
    assert said["status"] == "complete"
    (case,) = said["cases"]
    assert (case["status"], case["decision"], case["fired"]) == ("finding", "abnormal", ["arterial"])
    assert case["volume_mm3"]["arterial"]["tumor"] == 48 * 12  # 4 x 4 x 3 voxels of 2 x 2 x 3 mm
    assert (tmp_path / "out" / "case" / "arterial_segmentation.nii.gz").is_file()
    assert (tmp_path / "out" / "case" / "report.html").is_file()


def test_a_case_that_is_refused_has_no_decision_and_no_number(job, tmp_path):
    write_scan(tmp_path / "in" / "arterial.nii.gz")
    (tmp_path / "in" / "venous.nii.gz").write_bytes(b"\x1f\x8bdamaged")
    with pytest.raises(ScreeningError, match="could not be screened"):
        folder.run(job())
    said = result_in(tmp_path / "out")
    assert said["status"] == "incomplete"
    (case,) = said["cases"]
    assert case.keys() == {"case_id", "status", "decision", "reason"}
    assert (case["status"], case["decision"]) == ("refused", None)
    assert "venous.nii.gz" in case["reason"]


def test_an_error_of_a_plugin_is_a_failure_and_no_refusal(job, tmp_path, monkeypatch):
    write_scan(tmp_path / "in" / "arterial.nii.gz")
    monkeypatch.setattr("pnetkit.screening.screen.screen_scans", lambda *_: 1 / 0)
    with pytest.raises(ScreeningError):
        folder.run(job())
    assert result_in(tmp_path / "out")["cases"][0]["status"] == "failed"


def test_images_that_name_no_phase_or_one_twice_are_refused_together(job, tmp_path):
    for name in ("arterial.nii.gz", "P1_arterial.mha", "liver.nii.gz"):
        (tmp_path / "in" / name).write_bytes(b"")
    with pytest.raises(CohortError, match=r"(?s)arterial.nii.gz: is a second image.*liver.nii.gz: names no phase"):
        folder.run(job())


def test_results_are_not_written_into_what_is_read(job):
    made = job()
    for out in (made.given, made.given / "out"):
        object.__setattr__(made, "out", out)
        with pytest.raises(StoreError, match="lies in the folder that is read"):
            folder.run(made)
