"""A refusal is found in its study, says why, and can be read as no negative."""

import highdicom
import pydicom
import pytest

from pnetkit.dicom.refusal import refusal_in, write_refusal
from pnetkit.dicom.results import ANSWERS
from pnetkit.dicom.source_headers import Author
from pnetkit.errors import ImageError
from tests.dicom.synthetic import AFFINE, STUDY, some_hu, write_series

AUTHOR = Author("tiny", "0123456789abcdef")


def refused(folder, out, reason="no abdomen", mark="", change=None):
    write_series(folder, some_hu(), AFFINE, change=change)
    write_refusal(out, folder, reason, AUTHOR, mark=mark)
    return pydicom.dcmread(out)


def test_a_refusal_says_why_in_its_study_and_holds_no_answer(tmp_path):
    report = refused(tmp_path / "in", tmp_path / "sr.dcm", f"{tmp_path / 'in'}/IM.dcm: 41 mm high, Schädel")
    assert refusal_in(report) == "IM.dcm: 41 mm high, Sch?del"
    assert (report.StudyInstanceUID, report.PatientID, report.Modality) == (STUDY, "secret-4711", "SR")
    assert "NOT SCREENED" in report.SeriesDescription
    said = str(report)
    assert "NO_FINDING" in said
    assert not any(f"'{answer.value}'" in said for answer in ANSWERS.values())
    content = highdicom.sr.srread(tmp_path / "sr.dcm").content
    assert content.get_volumetric_roi_measurement_groups() == []
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    assert len(study.ReferencedSeriesSequence[0].ReferencedSOPSequence) == 5


def test_a_refusal_has_the_same_uids_each_time_and_others_when_it_is_marked(tmp_path):
    uids = [
        refused(tmp_path / "in", tmp_path / f"{number}.dcm", mark=mark).SOPInstanceUID
        for number, mark in enumerate(["", "", "again"])
    ]
    assert uids[0] == uids[1] != uids[2]


def with_two_patients(dataset, k):
    dataset.PatientID = f"patient {k % 2}"


def with_another_study(dataset, k):
    dataset.StudyInstanceUID = f"1.2.3.{k % 2}"


@pytest.mark.parametrize("change", [with_two_patients, with_another_study])
def test_images_that_contradict_each_other_are_refused_in_the_study_of_the_first(tmp_path, change):
    report = refused(tmp_path / "in", tmp_path / "sr.dcm", change=change)
    first = pydicom.dcmread(tmp_path / "in" / "IM0000")
    assert (report.StudyInstanceUID, report.PatientID) == (first.StudyInstanceUID, first.PatientID)


def test_a_study_of_which_nothing_can_be_read_has_no_report(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "IM").write_bytes(b"nothing")
    with pytest.raises(ImageError, match="no report can be written"):
        write_refusal(tmp_path / "sr.dcm", folder, "no abdomen", AUTHOR)
    assert not (tmp_path / "sr.dcm").exists()
