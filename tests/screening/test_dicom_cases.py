"""Cases of a DICOM folder: no study vanishes, and what was left out is counted."""

import pytest

from pnetkit.errors import CohortError
from pnetkit.screening.dicom_cases import dicom_cases
from pnetkit.screening.series_choice import SeriesRules
from tests.dicom.synthetic import AFFINE, some_hu, write_series


def cases(folder, **rules):
    said = []
    rules = SeriesRules(rules.get("uids", {}), {})
    found = dicom_cases(
        folder, ("arterial", "venous"), rules, case_id=None, write_dicom=False, same_patient=False, say=said.append
    )
    return found, said


def series(folder, description, *, study="1.2.3", number=1, change=None):
    return write_series(
        folder / study / description, some_hu((4, 4, 3)), AFFINE, description=description, study=study, number=number,
        change=change,
    )  # fmt: skip


def localizer(dataset, _):
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


def enhanced(dataset, _):
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"


def test_what_was_left_out_of_a_study_is_counted_without_a_word_about_it(tmp_path):
    series(tmp_path, "arterial")
    series(tmp_path, "venous", number=2)
    series(tmp_path, "Topogram of Doe", number=3, change=localizer)
    series(tmp_path, "thorax", number=4)
    ((case,), said) = cases(tmp_path)
    assert case.flags == (
        "other series of the study, left out: 3 localizers",
        "scans of the study that no phase took: 1",
    )
    assert said == []


def test_a_study_of_enhanced_images_is_a_case_that_fails_for_them(tmp_path):
    series(tmp_path, "arterial", change=enhanced)
    series(tmp_path, "venous", study="1.2.4")
    found, _ = cases(tmp_path)
    faults = [case.fault for case in found]
    assert len(faults) == 2
    assert sum("enhanced (multi-frame) CT; convert it" in fault for fault in faults) == 1


def test_a_study_without_any_scan_is_a_note(tmp_path):
    series(tmp_path, "Topogram", change=localizer)
    with pytest.raises(CohortError, match=r"1 series, none of them a stack of axial CT \(3 localizers\)"):
        cases(tmp_path)
    series(tmp_path, "venous", study="1.2.4")
    found, said = cases(tmp_path)
    assert len(found) == 1
    assert [note.partition(" holds ")[2] for note in said] == ["no scan: 3 localizers"]


def test_other_voxels_under_the_uids_of_a_study_fail_it_wherever_they_lie(tmp_path):
    series(tmp_path / "a", "venous")
    series(tmp_path / "b", "venous", change=lambda d, _: setattr(d, "PixelData", bytes(len(d.PixelData))))
    ((case,), said) = cases(tmp_path)
    assert "another file has the instance UID of this one, and other contents" in case.fault
    assert case.fault.count("\n") == 1
    assert said == []
    series(tmp_path / "c", "arterial", study="1.2.5")
    found, _ = cases(tmp_path)
    assert [bool(case.fault) for case in found] == [True, False]


def of(patient):
    return lambda dataset, _: setattr(dataset, "PatientID", patient)


def without_study(dataset, _):
    dataset.PatientID, dataset.StudyInstanceUID = "jane", ""


def test_no_phase_is_missing_while_a_damaged_file_may_be_it(tmp_path):
    series(tmp_path, "arterial", change=of("jane"))
    series(tmp_path, "venous", number=2, change=of("jane"))
    for path in (tmp_path / "1.2.3" / "venous").iterdir():
        data = path.read_bytes()
        path.write_bytes(data.replace(b"\x28\0\x10\0US\2\0", b"\x28\0\x10\0ZZ\2\0"))
    ((case,), _) = cases(tmp_path)
    assert case.fault.startswith("venous cannot be called missing, as these images may belong to the study:")
    assert "Rows is b'\\x04\\x00' (ZZ), wanted a whole number" in case.fault


def test_no_phase_is_missing_while_a_series_of_the_patient_says_no_study(tmp_path):
    series(tmp_path, "arterial", change=of("jane"))
    series(tmp_path, "venous", number=2, change=without_study)
    series(tmp_path, "arterial", study="1.2.9", change=of("john"))
    found, _ = cases(tmp_path)
    faults = [case.fault for case in found if "has no StudyInstanceUID" in case.fault]
    assert len(faults) == 1  # of jane's study; john's lacks a phase, too, but these images are not his
    assert faults[0].startswith("venous cannot be called missing")


def test_no_phase_is_missing_while_a_series_of_the_patient_lies_in_the_study_of_another(tmp_path):
    series(tmp_path, "arterial", change=of("jane"))
    series(tmp_path, "arterial", study="1.2.9", change=of("john"))
    series(tmp_path, "venous", study="1.2.9", number=2, change=of("jane"))
    found, _ = cases(tmp_path)
    faults = sorted(case.fault for case in found)
    assert faults[0].startswith("its images contradict each other about the patient")
    assert faults[1].startswith("venous cannot be called missing")
    assert "lies in a study of two patients" in faults[1]


def test_a_phase_is_missing_where_all_other_images_are_of_other_patients(tmp_path):
    series(tmp_path, "arterial", change=of("jane"))
    series(tmp_path, "arterial", study="1.2.9", change=of("john"))
    found, _ = cases(tmp_path)
    assert [case.fault for case in found] == ["", ""]
    assert [list(case.scans) for case in found] == [["arterial"], ["arterial"]]
