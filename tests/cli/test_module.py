"""`pnetkit module`: whose pipeline it is, where it reads, and how it ends."""

import json

import pytest

from pnetkit.errors import ModelError
from pnetkit.module import job as job_module
from pnetkit.screening import screen
from tests.screening.made_up import DUAL, said_of, screener_of, write_scan


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    """A model that never learned lies wherever one is asked for."""
    screener = screener_of(*DUAL)
    screener.model.content.update(phases=["arterial", "venous"])
    monkeypatch.setattr(job_module, "model_in", lambda _: screener.model)
    monkeypatch.setattr(job_module, "loaded", lambda *_: screener)
    monkeypatch.setattr(screen, "screen_scans", lambda model, case_id, scans: said_of(case_id, scans, model))
    for name in ("MERCURE_IN_DIR", "MERCURE_OUT_DIR", "PNETKIT_MODEL", "PNETKIT_SETTINGS"):
        monkeypatch.delenv(name, raising=False)


def test_a_folder_of_images_is_screened_with_the_settings_beside_the_model(pnetkit, tmp_path, monkeypatch):
    write_scan(tmp_path / "in" / "arterial.nii.gz")
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("PNETKIT_MODEL", str(tmp_path / "models"))
    code, said, _ = pnetkit("module", tmp_path / "in", tmp_path / "out", "--threads", "1")
    assert (code, "NOT" in said) == (8, False)  # a gate sees that this is no abdomen
    (tmp_path / "models" / "settings.json").write_text('{"on_gate": "off"}')
    code, said, _ = pnetkit("module", tmp_path / "in", tmp_path / "out", "--threads", "1")
    assert code == 0
    assert "case: abnormal (arterial)" in said
    assert json.loads((tmp_path / "out" / "result.json").read_text())["status"] == "complete"


def test_mercure_is_told_where_nothing_was_screened_and_the_end_is_an_error(pnetkit, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    monkeypatch.setenv("MERCURE_IN_DIR", str(tmp_path / "in"))
    monkeypatch.setenv("MERCURE_OUT_DIR", str(tmp_path / "out"))
    code, _, said = pnetkit("module", "--threads", "1")
    assert code == 4
    assert "These inputs cannot be screened" in said
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["status"] == "incomplete"
    assert "NOT SCREENED" in result["__mercure_notification"]["text"]


def test_grand_challenge_is_known_by_its_inputs_and_gets_nothing_for_a_refusal(pnetkit, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "inputs.json").write_text("[]")
    code, _, said = pnetkit("module", tmp_path / "in", tmp_path / "out", "--threads", "1")
    assert code == 4
    assert "names no image of a phase" in said
    assert not (tmp_path / "out").exists()


def test_one_folder_alone_is_wrong_usage(pnetkit, tmp_path):
    code, _, said = pnetkit("module", tmp_path)
    assert code == 2
    assert "OUT is not" in said


def test_a_model_may_lie_alone_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(ModelError, match="holds 0 models"):
        job_module.model_in(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "SHA256SUMS").write_text("")
    with pytest.raises(ModelError, match="holds 2 models"):
        job_module.model_in(tmp_path)
