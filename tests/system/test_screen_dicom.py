"""Screening DICOM: the same answers as from NIfTI, results that read back, and one study's trouble is its own."""

import csv
import json
import os
import re
import shutil

import highdicom
import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.dicom.results import OVERRULED, PATIENT
from pnetkit.dicom.series import case_id_of, find_series
from pnetkit.dicom.volume import on_images, read_series
from pnetkit.errors import CohortError, MissingExtraError, ScreeningError
from pnetkit.imaging.nifti import read_scan
from pnetkit.screening import screener
from pnetkit.screening.cases import Asked, cases_of
from tests.dicom.synthetic import write_series

STUDIES = ("1.2.3", "1.2.4")


@pytest.fixture(scope="module")
def two_studies(finished, tmp_path_factory):
    """Two studies of two series each, from the cases P000 and P001, which no test changes."""
    folder = tmp_path_factory.mktemp("studies")
    table = next((finished[0].folder / "store").rglob("cohort.csv"))
    for case, study in zip(("P000", "P001"), STUDIES, strict=True):
        for phase in ("arterial", "venous"):
            scan = read_scan(table.parent / "images" / f"{case}_{phase}.nii.gz")
            write_series(folder / case / phase, scan.hu, scan.grid.affine, description=f"Abd {phase}", study=study)
    return folder


@pytest.fixture
def archive(two_studies, tmp_path):
    """Links to these, of which a test may take some away."""
    return shutil.copytree(two_studies, tmp_path / "archive", copy_function=os.link)


@pytest.fixture(autouse=True, scope="module")
def loaded_once():
    """Load the networks of the model once, and not for every command: each is tried on a patch, twice over."""
    known, load = {}, screener.load_screener

    def once(model, **how):
        asked = model.folder, repr(how)
        if asked not in known:
            known[asked] = load(model, **how)
        return known[asked]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(screener, "load_screener", once)
        yield


def screen(*arguments):
    """Screen with the networks of one fold, which say enough."""
    asked = [*map(str, arguments), "--device", "cpu", "--on-gate", "off", "--fold", "0"]
    result = CliRunner().invoke(cli, ["screen", *asked])
    return result, result.output


def said_in(path):
    """What a file says: of a page all but its pictures, whose letters mean nothing."""
    packed = rb'data:image/webp;base64,[^"]*|(?<=class="volume")[^>]*>[^<]*'
    return re.sub(packed, b"", path.read_bytes()) if path.suffix == ".html" else path.read_bytes()


def finding(out, case):
    return json.loads((out / case / "finding.json").read_text())


@pytest.mark.slow
def test_dicom_is_answered_as_nifti_is_and_results_lie_on_the_source_images(model, table, archive, tmp_path):
    result, text = screen(model, archive, "--out", tmp_path / "out", "--dicom-results", "--no-report")
    assert result.exit_code == 0, text
    assert "Doe" not in text
    assert "4711" not in text
    screen(model, table, "--out", tmp_path / "nifti", "--no-report")
    for name, study in zip(("P000", "P001"), STUDIES, strict=True):
        case = case_id_of(study)
        ours, theirs = finding(tmp_path / "out", case), finding(tmp_path / "nifti", name)
        assert (ours["decision"], ours["score"]) == (theirs["decision"], theirs["score"])
        image, expected_image = ours["images"]["venous"], theirs["images"]["venous"]
        assert (image["kind"], image["chosen_by"]) == ("DICOM", "description")
        assert image["images"] == str(expected_image["shape"][2])
        assert [image[key] for key in ("shape", "spacing_mm")] == [
            expected_image[key] for key in ("shape", "spacing_mm")
        ]
        for phase in ("arterial", "venous"):
            seen = nib.load(tmp_path / "out" / case / f"{phase}_segmentation.nii.gz")
            expected = nib.as_closest_canonical(nib.load(tmp_path / "nifti" / name / f"{phase}_segmentation.nii.gz"))
            labels = np.asarray(seen.dataobj)
            assert np.array_equal(labels, np.asarray(expected.dataobj))
            assert np.allclose(seen.affine, expected.affine, atol=1e-4)
            (series,) = find_series(archive / name / phase).series
            pile = read_series(series).stack
            seg = highdicom.seg.segread(tmp_path / "out" / case / f"{phase}_segmentation.dcm")
            back = seg.get_pixels_by_source_instance(
                [of.uid for of in pile.instances], combine_segments=True, assert_missing_frames_are_empty=True,
                ignore_spatial_locations=True,
            )  # fmt: skip
            assert np.array_equal(back, on_images(labels, pile))
            report = highdicom.sr.srread(tmp_path / "out" / case / f"{phase}_report.dcm")
            volumes = [
                group.get_measurements()[0].value for group in report.content.get_volumetric_roi_measurement_groups()
            ]
            assert volumes == list(ours["inputs"][phase]["volume_mm3"].values())
            points = [group.roi.value[0] for group in report.content.get_planar_roi_measurement_groups()]
            listed = [of["center_mm"] for items in ours["inputs"][phase]["components"].values() for of in items]
            assert np.allclose(points, [(-x, -y, z) for x, y, z in listed])


@pytest.mark.slow
def test_dicom_results_are_written_only_when_asked_for_and_no_file_else_names_the_patient(model, archive, tmp_path):
    result, text = screen(model, archive, "--out", tmp_path / "out")
    assert result.exit_code == 0, text
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix == ".dcm"]
    for path in files:
        content = said_in(path)
        assert b"Doe" not in content
        assert b"4711" not in content
        assert not any(study.encode() in content for study in STUDIES)


@pytest.mark.slow
def test_a_trace_leads_from_case_ids_to_patients_and_nothing_else_that_is_written_or_said_does(
    model, archive, tmp_path
):
    for path in (archive / "P001" / "venous").iterdir():
        path.unlink()  # what fails is traced, too
    (archive / "P001" / "venous" / "cut.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\1" * 40)
    result, text = screen(model, archive, "--out", tmp_path / "out", "--trace", tmp_path / "trace.csv")
    assert "Trace: " in text, result.exception
    lines = list(csv.DictReader((tmp_path / "trace.csv").read_text().splitlines()))
    assert {line["case_id"]: (line["patient_id"], line["study_uid"]) for line in lines} == {
        case_id_of(study): ("secret-4711", study) for study in STUDIES
    }
    folders = {line["case_id"]: line["folder"] for line in lines}
    assert folders[case_id_of(STUDIES[0])] == "; ".join(str(archive / "P000" / of) for of in ("arterial", "venous"))
    assert (tmp_path / "trace.csv").stat().st_mode & 0o777 == 0o600
    for path in [path for path in (tmp_path / "out").rglob("*") if path.is_file()]:
        content = said_in(path)
        assert not any(said in content for said in (b"Doe", b"4711", b"trace.csv", *(of.encode() for of in STUDIES)))
    assert not any(said in text for said in ("Doe", "4711", *STUDIES))


@pytest.mark.slow
def test_a_study_whose_series_cannot_be_told_apart_fails_alone(model, table, archive, tmp_path):
    scan = read_scan(table.parent / "images" / "P000_venous.nii.gz")
    write_series(archive / "more", scan.hu, scan.grid.affine, description="Abd venous thin", study="1.2.3", number=9)
    result, text = screen(model, archive, "--out", tmp_path / "out", "--no-report")
    assert isinstance(result.exception, ScreeningError)
    assert "2 series fit venous by their description" in text
    assert (tmp_path / "out" / case_id_of("1.2.4") / "finding.json").is_file()
    assert (tmp_path / "out" / case_id_of("1.2.3") / "failed.json").is_file()


@pytest.mark.slow
def test_uids_make_one_case_of_series_of_any_study(model, archive, tmp_path):
    one = find_series(archive / "P000" / "arterial").series[0].uid
    two = find_series(archive / "P001" / "venous").series[0].uid
    result, text = screen(
        model, archive, "--out", tmp_path / "out", "--series", f"arterial={one}", "--series", f"venous={two}",
        "--case-id", "X", "--no-report",
    )  # fmt: skip
    assert result.exit_code == 0, text
    assert finding(tmp_path / "out", "X")["images"]["venous"]["chosen_by"] == "uid"


@pytest.mark.slow
def test_a_missing_slice_fails_its_case_with_the_neighbors_names(model, archive, tmp_path):
    (archive / "P001" / "venous" / "IM0010").unlink()
    result, text = screen(model, archive, "--out", tmp_path / "out", "--no-report")
    assert isinstance(result.exception, ScreeningError)
    assert "1 between IM0009 and IM0011" in text


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--series", "venuos=1"], "Did you mean 'venous'"),
        (["--description", "venous=("], "is no regular expression"),
        (["--series", "venous"], "wanted PHASE=VALUE"),
    ],
)
def test_wrong_rules_are_said(model, archive, tmp_path, arguments, reason):
    result, text = screen(model, archive, "--out", tmp_path / "out", *arguments)
    assert result.exit_code != 0
    assert reason in text + str(result.exception)


def test_a_folder_without_ct_is_said_to_have_none(model, tmp_path):
    (tmp_path / "empty").mkdir()
    result, text = screen(model, tmp_path / "empty", "--out", tmp_path / "out")
    assert "0 series, none of them a stack of axial CT" in text + str(result.exception)


def test_without_the_packages_for_dicom_it_is_said_what_to_install(archive, monkeypatch):
    monkeypatch.setattr("pnetkit.extras.find_spec", lambda name: None if name == "highdicom" else object())
    with pytest.raises(MissingExtraError, match=r"needs highdicom\. Install it: pip install 'pnetkit\[dicom\]'"):
        cases_of([str(archive)], ["arterial", "venous"], Asked(), print)


@pytest.fixture
def of_two_patients(table, archive):
    """The arguments that make one case of the arterial series of one patient and the venous one of another."""

    def of_another(dataset, _):
        dataset.PatientID, dataset.PatientName = "secret-4712", "Roe^Richard"

    scan = read_scan(table.parent / "images" / "P001_venous.nii.gz")
    other = write_series(
        archive / "other", scan.hu, scan.grid.affine, description="Abd venous", study="1.2.5", change=of_another
    )
    arterial = next(of.uid for of in find_series(archive / "P000" / "arterial").series)
    return [
        archive,
        "--no-report",
        "--series",
        f"arterial={arterial}",
        "--series",
        f"venous={other}",
        "--case-id",
        "both",
    ]


def test_phases_of_two_patients_are_refused_and_no_result_is_written(model, of_two_patients, tmp_path):
    """Series of two studies may be named for one case; of two patients it has no finding."""
    result, text = screen(model, *of_two_patients, "--out", tmp_path / "out", "--dicom-results")
    assert isinstance(result.exception, ScreeningError), text
    assert "contradict each other about the patient, in PatientID, PatientName" in text
    assert "--same-patient" in text
    assert not any(said in text for said in ("4711", "4712", "Doe", "Roe"))
    assert [path.name for path in (tmp_path / "out" / "both").iterdir()] == ["failed.json"]


def test_a_contradiction_that_is_overruled_stands_in_the_finding_and_the_report(model, of_two_patients, tmp_path):
    result, text = screen(model, *of_two_patients, "--out", tmp_path / "out", "--dicom-results", "--same-patient")
    assert result.exit_code == 0, text
    flags = finding(tmp_path / "out", "both")["flags"]
    assert "images contradict each other about the patient, in PatientID, PatientName" in flags[0]
    for phase in ("arterial", "venous"):
        report = highdicom.sr.srread(tmp_path / "out" / "both" / f"{phase}_report.dcm")
        (answers,) = report.content.get_image_measurement_groups()
        (said,) = answers.get_qualitative_evaluations(name=PATIENT)
        assert said.value == OVERRULED


def test_who_overrules_names_the_series_of_one_case(model, table, archive, tmp_path):
    result, _ = screen(model, archive, "--out", tmp_path / "out", "--same-patient")
    assert "--same-patient: is said of one case, and" in str(result.exception)
    result, _ = screen(model, table, "--out", tmp_path / "out", "--same-patient")
    assert "no folder of DICOM is given" in str(result.exception)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_finding_whose_dicom_cannot_be_written_is_kept_and_that_is_said(model, table, archive, tmp_path):
    """A person's name of two parts is in no result; the decision must not be lost for it."""

    def spoil(dataset, _):
        dataset.PatientName = ["Doe", "Jane"]

    scan = read_scan(table.parent / "images" / "P000_venous.nii.gz")
    shutil.rmtree(archive / "P000" / "venous")
    write_series(archive / "P000" / "venous", scan.hu, scan.grid.affine, description="Abd venous", study=STUDIES[0],
                 change=spoil)  # fmt: skip
    one = [archive / "P000" / "venous", "--no-report"]
    result, text = screen(model, *one, "--out", tmp_path / "out", "--dicom-results")
    assert isinstance(result.exception, ScreeningError), text
    assert result.exception.exit_code == 8
    assert "1 of 1 cases have a finding, but not all of its results" in str(result.exception)
    case = case_id_of(STUDIES[0])
    plain, _ = screen(model, *one, "--out", tmp_path / "plain")
    assert plain.exit_code == 0
    kept, wanted = finding(tmp_path / "out", case), finding(tmp_path / "plain", case)
    assert [kept[key] for key in ("decision", "score", "inputs")] == [
        wanted[key] for key in ("decision", "score", "inputs")
    ]
    assert "venous: not written as DICOM (TypeError" in kept["flags"][0]
    assert (tmp_path / "out" / case / "venous_segmentation.nii.gz").is_file()
    assert not list((tmp_path / "out" / case).glob("*.dcm"))


def test_an_id_beside_several_studies_is_refused(model, archive, tmp_path):
    result, text = screen(model, archive, "--out", tmp_path / "out", "--case-id", "one")
    assert isinstance(result.exception, CohortError), text
    assert "--case-id: names one case" in str(result.exception)
    assert "holds 2 studies" in str(result.exception)


@pytest.mark.slow
def test_what_else_a_study_holds_is_in_its_finding_and_two_phases_may_share_a_series(model, table, tmp_path):
    def of_one_series(part):
        def change(dataset, k):
            dataset.SeriesInstanceUID, dataset.AcquisitionNumber = "1.2.77", part
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.77.{part}.{k + 1}"

        return change

    def localizer(dataset, _):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    folder, uids = tmp_path / "study", []
    for part, phase in enumerate(("arterial", "venous"), 1):
        scan = read_scan(table.parent / "images" / f"P000_{phase}.nii.gz")
        write_series(
            folder / phase,
            scan.hu,
            scan.grid.affine,
            description="Abd",
            time=f"10{part}000",
            change=of_one_series(part),
        )
        uids += ["--series", f"{phase}=1.2.77/AcquisitionNumber={part}"]
    write_series(folder / "T", scan.hu[:, :, :2], scan.grid.affine, description="T", number=7, change=localizer)
    for rules in (["--by", "time"], uids):
        asked = ["--case-id", "P", "--dicom-results", "--no-report", *rules]
        result, text = screen(model, folder, "--out", tmp_path / "out", *asked)
        assert result.exit_code == 0, text
        found = finding(tmp_path / "out", "P")
        assert found["missing"] == []
        assert "other series of the study, left out: 2 localizers" in found["flags"]
        assert "venous: one of several acquisitions of one series, told apart by AcquisitionNumber" in found["flags"]
    assert "(done before)" in text
