"""Other tools' layouts: what each finds, and what is said when something is not there."""

import json

import pytest

from pnetkit.cohort.layouts import monai_cases, msd_cases, nnunet_cases, panorama_cases, pattern_cases
from pnetkit.errors import CohortError


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_nnunet_channels_are_phases_and_labels_hold_for_all_of_them(tmp_path):
    write_json(tmp_path / "dataset.json", {"channel_names": {"0": "CT", "1": "CT"}, "file_ending": ".nii.gz"})
    touch(
        tmp_path,
        "imagesTr/A_b_0000.nii.gz",
        "imagesTr/A_b_0001.nii.gz",
        "labelsTr/A_b.nii.gz",
        "imagesTr/C_0000.nii.gz",
    )
    one, two = nnunet_cases(tmp_path, {"0": "arterial", "1": "venous"})
    assert one.case_id == "A_b"
    assert {phase: path.name for phase, path in one.images.items()} == {
        "arterial": "A_b_0000.nii.gz",
        "venous": "A_b_0001.nii.gz",
    }
    assert set(one.labels.values()) == {tmp_path / "labelsTr" / "A_b.nii.gz"}
    assert (two.case_id, list(two.images), two.labels) == ("C", ["arterial"], {})


def test_an_nnunet_channel_that_is_not_there_is_said(tmp_path):
    write_json(tmp_path / "dataset.json", {"channel_names": {"0": "CT"}})
    with pytest.raises(CohortError, match="none with the number '3'"):
        nnunet_cases(tmp_path, {"3": "venous"})
    with pytest.raises(CohortError, match="cannot be read"):
        nnunet_cases(tmp_path / "nowhere", {"0": "venous"})


def test_msd_lists_are_read_from_the_folder_or_the_file(tmp_path):
    training = [{"image": "./imagesTr/pancreas_1.nii.gz", "label": "./labelsTr/pancreas_1.nii.gz"}]
    write_json(tmp_path / "dataset.json", {"training": training, "test": ["./imagesTs/x.nii.gz"]})
    touch(tmp_path, "labelsTr/pancreas_1.nii.gz")
    for source in (tmp_path, tmp_path / "dataset.json"):
        (case,) = msd_cases(source, {"image": "venous"})
        assert case.case_id == "pancreas_1"
        assert case.labels["venous"].is_file()


def test_monai_datalists_may_have_folds_several_lists_and_several_images(tmp_path):
    content = {
        "training": [{"image": ["a.nii", "v.nii"], "label": "l.nii", "fold": 2}],
        "validation": [{"image": ["b.nii", "w.nii"], "fold": 0}],
        "name": "no list",
    }
    write_json(tmp_path / "list.json", content)
    touch(tmp_path, "l.nii")
    one, two = monai_cases(tmp_path / "list.json", {"image.0": "arterial", "image.1": "venous"})
    assert (one.case_id, one.fold, sorted(one.labels)) == ("a", 2, ["arterial", "venous"])
    assert (two.images["venous"].name, two.fold, two.labels) == ("w.nii", 0, {})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"training": ["a.nii"]}, "is str, wanted image and label"),
        ({"training": [{"img": "a.nii"}]}, r"has the keys \['img'\]"),
        ({}, "no list of cases"),
        ([], "holds a list"),
    ],
)
def test_lists_that_are_none_are_refused_in_words(tmp_path, content, reason):
    write_json(tmp_path / "dataset.json", content)
    with pytest.raises(CohortError, match=reason):
        msd_cases(tmp_path, {"image": "venous"})


def test_panorama_groups_studies_by_patient_and_takes_manual_labels_first(tmp_path):
    touch(tmp_path, "img/batch_1/100001_00001_0000.nii.gz", "img/batch_2/100001_00002_0000.nii.gz")
    touch(tmp_path, "lab/automatic_labels/100001_00001.nii.gz", "lab/manual_labels/100001_00001.nii.gz")
    one, two = panorama_cases(tmp_path / "img", {"0": "venous"}, tmp_path / "lab")
    assert (one.case_id, one.patient_id, two.patient_id) == ("100001_00001", "100001", "100001")
    assert one.labels["venous"].parent.name == "manual_labels"
    assert two.labels == {}
    with pytest.raises(CohortError, match="one phase"):
        panorama_cases(tmp_path / "img", {"0": "venous", "1": "arterial"}, None)


def test_patterns_find_cases_phases_and_patients_anywhere_in_the_path(tmp_path):
    touch(tmp_path, "p1/s1/ART.nii.gz", "p1/s1/PV.nii.gz", "p1/s1/PV_seg.nii.gz", "p2/s7/PV.nii.gz", "p2/notes.txt")
    one, two = pattern_cases(
        tmp_path,
        "{patient}/{case}/{phase}.nii.gz",
        "{patient}/{case}/{phase}_seg.nii.gz",
        {"ART": "arterial", "PV": "venous"},
    )
    assert (one.case_id, one.patient_id, sorted(one.images), list(one.labels)) == (
        "s1",
        "p1",
        ["arterial", "venous"],
        ["venous"],
    )
    assert (two.case_id, list(two.images)) == ("s7", ["venous"])


def test_a_pattern_is_no_regular_expression_and_needs_a_case(tmp_path):
    touch(tmp_path, "a+b.nii", "aab.nii")
    assert [case.case_id for case in pattern_cases(tmp_path, "{case}+b.nii", None, {"x": "venous"})] == ["a"]
    with pytest.raises(CohortError, match="has no"):
        pattern_cases(tmp_path, "x.nii", None, {"x": "venous"})


LEFT_BY_SYSTEMS = (
    "imagesTr/._A_0000.nii.gz", "labelsTr/._A.nii.gz", "imagesTr/.DS_Store", "imagesTr/Thumbs.db",
    "__MACOSX/imagesTr/._A_0000.nii.gz", ".Trashes/501/B_0000.nii.gz", "@eaDir/B_0000.nii.gz",
)  # fmt: skip


def test_what_systems_leave_beside_files_is_no_case_in_any_layout(tmp_path):
    write_json(tmp_path / "dataset.json", {"channel_names": {"0": "CT"}, "file_ending": ".nii.gz"})
    touch(tmp_path, "imagesTr/A_0000.nii.gz", "labelsTr/A.nii.gz", *LEFT_BY_SYSTEMS)
    image, label = tmp_path / "imagesTr" / "A_0000.nii.gz", tmp_path / "labelsTr" / "A.nii.gz"
    phase = {"0": "venous"}
    for found in (
        nnunet_cases(tmp_path, phase),
        panorama_cases(tmp_path, phase, tmp_path),
        pattern_cases(tmp_path, "{patient}/{case}_0000.nii.gz", "labelsTr/{case}.nii.gz", phase),
    ):
        (case,) = found
        assert (case.case_id, dict(case.images), dict(case.labels)) == ("A", {"venous": image}, {"venous": label})
    assert [case.case_id for case in pattern_cases(tmp_path, "imagesTr/{case}", None, phase)] == ["A_0000.nii.gz"]


@pytest.mark.parametrize("ending", [".NII.GZ", ".Nii.gz"])
def test_endings_are_the_same_in_capitals(tmp_path, ending):
    write_json(tmp_path / "dataset.json", {"channel_names": {"0": "CT"}, "file_ending": ".nii.gz"})
    write_json(
        tmp_path / "list.json", {"training": [{"image": f"imagesTr/A_0000{ending}", "label": f"labelsTr/A{ending}"}]}
    )
    touch(tmp_path, f"imagesTr/A_0000{ending}", f"labelsTr/A{ending}")
    phase = {"0": "venous"}
    for found in (
        nnunet_cases(tmp_path, phase),
        panorama_cases(tmp_path / "imagesTr", phase, tmp_path / "labelsTr"),
        pattern_cases(tmp_path, "imagesTr/{case}_0000.nii.gz", "labelsTr/{case}.nii.gz", phase),
        monai_cases(tmp_path / "list.json", {"image": "venous"}),
    ):
        (case,) = found
        assert (case.case_id, case.labels["venous"].name) == ("A", f"A{ending}")


def test_bzip2_is_an_ending_too_and_nnunet_images_that_end_otherwise_are_not_dropped(tmp_path):
    touch(tmp_path, "imagesTr/A_0000.nii.bz2", "labelsTr/A.nii.bz2", "imagesTr/README.md")
    (case,) = panorama_cases(tmp_path / "imagesTr", {"0": "venous"}, tmp_path / "labelsTr")
    assert (case.case_id, case.labels["venous"].name) == ("A", "A.nii.bz2")
    write_json(tmp_path / "dataset.json", {"channel_names": {"0": "CT"}, "file_ending": ".nii.gz"})
    with pytest.raises(CohortError, match=r"A_0000\.nii\.bz2: ends otherwise than dataset\.json says \(\.nii\.gz\)"):
        nnunet_cases(tmp_path, {"0": "venous"})


def test_cases_of_two_patients_that_have_one_name_are_not_made_one(tmp_path):
    touch(tmp_path, "p1/s1/ART.nii.gz", "p2/s1/PV.nii.gz")
    found = pattern_cases(
        tmp_path, "{patient}/{case}/{phase}.nii.gz", None, {"ART": "arterial", "PV": "venous"}
    )  # fmt: skip
    assert [(case.case_id, case.patient_id, list(case.images)) for case in found] == [
        ("s1", "p1", ["arterial"]),
        ("s1", "p2", ["venous"]),
    ]  # which a table refuses by the id


def test_two_images_of_one_phase_of_one_case_are_refused(tmp_path):
    write_json(tmp_path / "dataset.json", {"channel_names": {"0": "CT"}, "file_ending": ".nii.gz"})
    touch(tmp_path, "imagesTr/A_0000.nii.gz", "imagesTr/A_0.nii.gz")
    with pytest.raises(CohortError, match="is the venous image of a case that has one already"):
        nnunet_cases(tmp_path, {"0": "venous"})


def test_a_listed_label_that_is_not_there_is_said(tmp_path):
    write_json(tmp_path / "dataset.json", {"training": [{"image": "a.nii.gz", "label": "labelsTr/a.nii.gz"}]})
    with pytest.raises(CohortError, match=r"case 0: names the label labelsTr/a\.nii\.gz, and there is no such file"):
        msd_cases(tmp_path, {"image": "venous"})


def test_folders_that_are_links_are_followed_once(tmp_path):
    touch(tmp_path, "disk/p1/A_0000.nii.gz", "disk/p1/deep/x.txt")
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort" / "p1").symlink_to(tmp_path / "disk" / "p1")
    (tmp_path / "disk" / "p1" / "deep" / "back").symlink_to(tmp_path / "cohort")
    (case,) = panorama_cases(tmp_path / "cohort", {"0": "venous"}, None)
    assert case.images["venous"] == tmp_path / "cohort" / "p1" / "A_0000.nii.gz"
