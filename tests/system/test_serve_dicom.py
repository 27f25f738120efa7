"""`pnetkit serve dicom` with a model: it finds what `screen` finds, says why it does not, and its log names nobody."""

import json
from contextlib import contextmanager
from functools import partial

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.dicom.refusal import refusal_in
from pnetkit.dicom.series import case_id_of
from pnetkit.dicom.source_headers import Author
from pnetkit.dicom.succession import replaced_by
from pnetkit.imaging.nifti import read_scan
from pnetkit.serve.child import Task
from pnetkit.serve.dicom_service import refuse
from pnetkit.serve.screened import Screening, model_key, open_screening
from pnetkit.serve.values import Finding, Refusal
from tests.dicom.synthetic import write_series
from tests.forked import begin_module
from tests.integration.test_load import identifiers
from tests.serve.hospital import Archive, dimse, free_port, send, settled, stop, write_config
from tests.serve.parts import wait_until

PATIENCE_S = 180
"""A busy machine takes a minute to import what the command needs."""

STUDY = "1.2.840.99.7"


@pytest.fixture
def study(table, tmp_path):
    """Give the files of a study, by phase."""
    found = {}
    for phase in ("arterial", "venous"):
        scan = read_scan(table.parent / "images" / f"P000_{phase}.nii.gz")
        folder = tmp_path / "study" / phase
        write_series(folder, scan.hu, scan.grid.affine, description=f"Abd {phase}", study=STUDY)
        found[phase] = sorted(folder.iterdir())
    return found


@contextmanager
def served(model, folder, archive):
    """Start the command; give its port and a function that gives its log."""
    port = free_port()
    config = write_config(folder / "serve.yaml", port, {"pacs": dimse(archive.port)})
    command = ["pnetkit", "serve", "dicom", str(model), "--config", str(config), "--on-gate", "off"]
    command += ["--state", str(folder / "state"), "--stable-after", "1s", "--device", "cpu", "--at-once", "1"]
    log = folder / "log"
    process = begin_module(log, *command)
    try:
        wait_until(lambda: (log.exists() and "listening" in log.read_text()) or not process.is_alive(), PATIENCE_S)
        yield port, log.read_text
    finally:
        stop(process, 60)
        assert process.exitcode == 0, log.read_text()


def screened(model, folder, out):
    arguments = ["screen", model, folder, "--out", out, "--dicom-results", "--device", "cpu", "--on-gate", "off"]
    result = CliRunner().invoke(cli, [*map(str, arguments), "--no-report"])
    assert result.exit_code == 0, result.output
    return json.loads((out / case_id_of(STUDY) / "finding.json").read_text())


def without_digests(record):
    """A finding but for the digests of its files: what arrives has a meta header of its own."""
    images = {phase: {k: v for k, v in of.items() if k != "sha256"} for phase, of in record["images"].items()}
    return {name: value for name, value in record.items() if name != "key"} | {"images": images}


@pytest.mark.slow
def test_a_service_finds_what_screen_finds_and_names_what_new_images_replace(model, study, tmp_path):
    archive = Archive()
    with served(model, tmp_path, archive) as (port, log):
        send(port, study["venous"])
        first = settled(archive, STUDY, 3, PATIENCE_S)
        send(port, study["arterial"], calling="CT1")
        wait_until(lambda: len(archive.got) == 8, PATIENCE_S)
        send(port, study["arterial"] + study["venous"])  # nothing new
        wait_until(lambda: 'state="sent"} 2' in (tmp_path / "state" / "metrics.prom").read_text())
        said = log()
    archive.close()
    ours = json.loads((tmp_path / "state" / "results" / "2" / "finding.json").read_text())
    theirs = screened(model, tmp_path / "study", tmp_path / "out")
    assert without_digests(ours) == without_digests(theirs)
    for phase in ("arterial", "venous"):
        expected = pydicom.dcmread(tmp_path / "out" / case_id_of(STUDY) / f"{phase}_segmentation.dcm")
        found = pydicom.dcmread(tmp_path / "state" / "results" / "2" / f"{phase}_segmentation.dcm")
        assert np.array_equal(found.pixel_array, expected.pixel_array)
    assert sorted(of.Modality for of in first) == ["DOC", "SEG", "SR"]
    assert sorted(of.Modality for of in archive.got.values()) == ["DOC", "DOC", "SEG", "SEG", "SEG", "SR", "SR", "SR"]
    (old,) = [of.SOPInstanceUID for of in first if of.Modality == "SR"]
    late = [of for of in archive.got.values() if of.Modality == "SR" and of.SOPInstanceUID != old]
    assert [replaced_by(of) for of in late] == [[old], [old]]
    known = identifiers(files[0] for files in study.values())
    assert "Doe" in known
    assert STUDY in known
    assert [text for text in known if text in said] == []
    assert (said.count(": sent\n"), said.count("ALARM")) == (2, 0)


@pytest.fixture
def task(tmp_path):
    folder = tmp_path / "task"
    (folder / "in").mkdir(parents=True)
    (folder / "out").mkdir()
    return Task(7, folder / "in", folder / "out")


def opened(model, **settings):
    screening = Screening(model, device="cpu", warm=False, **settings)
    return open_screening(screening, partial(refuse, Author("tiny", "0123456789abcdef")))


@pytest.mark.slow
def test_what_is_no_abdomen_is_refused_with_a_report_that_says_so(model, study, task):
    for path in study["venous"][: len(study["venous"]) // 3]:
        path.rename(task.study / f"{path.name}.dcm")
    outcome = opened(model)(task)
    assert isinstance(outcome, Refusal)
    assert "mm high, wanted 80 mm for a pancreas" in outcome.reason
    assert [path.name for path in task.out.iterdir()] == list(outcome.files) == ["refusal.dcm"]
    report = pydicom.dcmread(task.out / "refusal.dcm")
    assert (report.StudyInstanceUID, refusal_in(report)) == (STUDY, outcome.reason)


@pytest.mark.slow
def test_a_study_without_a_scan_and_files_that_are_none_are_refused(model, study, task):
    screen = opened(model)
    study["venous"][0].rename(task.study / "one.dcm")
    assert isinstance(screen(task), Refusal)
    (task.study / "one.dcm").write_bytes(b"nothing of DICOM")
    with pytest.raises(Exception, match="no report can be written"):  # and the service gives it up, with an alarm
        screen(task)


@pytest.mark.slow
def test_nifti_by_phase_is_screened_too(model, table, task):
    for phase in ("arterial", "venous"):
        (task.study / f"{phase}.nii.gz").write_bytes((table.parent / "images" / f"P000_{phase}.nii.gz").read_bytes())
    outcome = opened(model, gates="off", dicom=False)(task)
    assert isinstance(outcome, Finding)
    assert (outcome.files, outcome.about["case_id"]) == ((), "study")
    assert (task.out / "finding.json").is_file()


@pytest.mark.slow
def test_what_changes_findings_changes_the_key_of_the_model(model):
    keys = [
        model_key(Screening(model, **settings))
        for settings in ({}, {"folds": (0,)}, {"gates": "off"}, {"by": "time"}, {"threads": 2}, {"pdf": True})
    ]
    assert len(set(keys)) == 4
    assert keys[0] == keys[4] == keys[5]
