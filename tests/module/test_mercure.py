"""A module of mercure: what comes in as mercure hands it over goes out as mercure sends it on."""

import json

import pydicom
import pytest

from pnetkit.dicom.refusal import refusal_in
from pnetkit.errors import CohortError, ScreeningError
from pnetkit.module import mercure
from pnetkit.module.settings import SettingsError
from tests.dicom.synthetic import write_series
from tests.screening.made_up import AFFINE, write_scan


def hand_over(folder, *, phases=("arterial", "venous"), change=None):
    """Lay images into one folder, each called after its series."""
    for number, phase in enumerate(phases):
        hu = write_scan(folder.parent / f"{phase}.nii.gz", seed=number).hu
        write_series(folder.parent / phase, hu, AFFINE, description=phase, number=number, change=change)
        for path in sorted((folder.parent / phase).iterdir()):
            path.rename(folder / f"{pydicom.dcmread(path).SeriesInstanceUID}#{phase}{path.name}.dcm")


def task(folder, **settings):
    said = {"id": "1", "process": {"module_name": "pnetkit", "settings": settings}}
    (folder / "task.json").write_text(json.dumps(said))


def result_in(out):
    return json.loads((out / "result.json").read_text())


def test_a_study_comes_out_as_dicom_called_after_its_series_and_a_result(job, tmp_path):
    hand_over(tmp_path / "in")
    task(tmp_path / "in", on_gate="off")
    mercure.run(job(**mercure.settings_in(tmp_path / "in").model_dump()))
    written = sorted(path for path in (tmp_path / "out").iterdir() if path.name != "result.json")
    kinds = []
    for path in written:
        dataset = pydicom.dcmread(path)
        assert path.name.startswith(f"{dataset.SeriesInstanceUID}#")
        kinds.append(dataset.Modality)
    assert sorted(kinds) == ["SEG", "SEG", "SR", "SR"]
    said = result_in(tmp_path / "out")
    assert said["cases"][0]["decision"] == "abnormal"
    assert said["__mercure_notification"] == {
        "text": "pnetkit (research use only): 1 called abnormal, 0 not called", "requested": True
    }  # fmt: skip


def test_a_study_that_is_refused_goes_out_as_a_report_that_says_so_with_a_notice_that_names_nobody(job, tmp_path):
    hand_over(tmp_path / "in", change=lambda d, k: setattr(d, "PatientID", "secret" if k else "other"))
    mercure.run(job())
    said = result_in(tmp_path / "out")
    (written,) = [path for path in (tmp_path / "out").iterdir() if path.name != "result.json"]
    report = pydicom.dcmread(written)
    assert written.name.startswith(f"{report.SeriesInstanceUID}#")
    assert "contradict each other about the patient" in refusal_in(report)
    assert said["status"] == "incomplete"
    assert said["cases"][0]["decision"] is None
    notice = said["__mercure_notification"]
    assert notice["requested"]
    assert notice["text"] == "pnetkit (research use only): 1 NOT SCREENED, see result.json"


def test_a_study_on_which_the_module_fails_ends_with_an_error_and_sends_nothing(job, tmp_path, monkeypatch):
    hand_over(tmp_path / "in")
    monkeypatch.setattr("pnetkit.screening.screen.screen_scans", lambda *_: 1 / 0)
    with pytest.raises(ScreeningError):
        mercure.run(job())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["result.json"]
    assert result_in(tmp_path / "out")["cases"][0]["status"] == "failed"


def test_a_folder_without_ct_is_no_normal_study(job, tmp_path):
    hand_over(tmp_path / "in", change=lambda d, _: setattr(d, "Modality", "MR"))
    with pytest.raises(CohortError):
        mercure.run(job())
    mercure.say_that_nothing_was_screened(tmp_path / "out", "no CT")
    said = result_in(tmp_path / "out")
    assert (said["status"], said["cases"]) == ("incomplete", [])
    assert "NOT SCREENED" in said["__mercure_notification"]["text"]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('{"process": {"settings": {"on_gat": "off"}}}', "on_gat"),
        ('{"process": {"settings": {"on_gate": "maybe"}}}', "on_gate"),
        ('{"process": {"settings": ["pdf"]}}', "wanted an object"),
        ('{"process": [{}, {}]}', "the one step"),
        ('{"process": ', "Expecting value"),
        ("[]", "wanted an object"),
    ],
)
def test_a_task_that_sets_what_there_is_not_is_refused(tmp_path, text, wrong):
    (tmp_path / "task.json").write_text(text)
    with pytest.raises(SettingsError, match=wrong):
        mercure.settings_in(tmp_path)


def test_a_task_may_be_a_list_of_one_step_or_none(tmp_path):
    assert mercure.settings_in(tmp_path).on_gate == "error"
    (tmp_path / "task.json").write_text('{"process": [{"settings": {"pdf": true}}]}')
    assert mercure.settings_in(tmp_path).pdf
    (tmp_path / "task.json").write_text('{"process": {}}')
    assert not mercure.settings_in(tmp_path).pdf
