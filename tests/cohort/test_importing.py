"""Importing, splitting and exporting: what goes through comes out the same, and nothing is written over."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.cohort.check import LabelPolicy, check_case
from pnetkit.cohort.fingerprint import fingerprint
from pnetkit.cohort.importing import splits_text, strangers
from pnetkit.cohort.layouts import Entry
from pnetkit.cohort.nnunet_export import export_nnunet
from pnetkit.cohort.phantom import PhantomSpec, write_cohort
from pnetkit.cohort.table import read_cohort
from pnetkit.errors import CohortError
from pnetkit.label_sets import IGNORED


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("p"), PhantomSpec(cases=4, seed=1, shape=(32, 32, 24), difficulty=0))


def call(*arguments):
    result = CliRunner().invoke(cli, ["cohort", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_a_cohort_exported_to_nnunet_and_imported_again_is_the_same(phantoms, tmp_path):
    raw = tmp_path / "nnUNet_raw" / "Dataset501_PNET"
    assert "4 training cases" in call("export", phantoms, raw, "--phase", "venous", "--workers", 0)
    dataset = json.loads((raw / "dataset.json").read_text())
    assert dataset["channel_names"] == {"0": "venous"}
    assert dataset["labels"] == {"background": 0, "pancreas": 1, "tumor": 2, "duct": 3}
    assert dataset["numTraining"] == 4
    call("split", phantoms, "--folds", 2, "--nnunet", tmp_path / "splits_final.json", "--out", tmp_path / "split.csv")
    call(
        "import", "nnunet", raw, "--phase", "0=venous", "--abnormal-label", 2, "--out", tmp_path / "back.csv",
        "--splits", tmp_path / "splits_final.json",
    )  # fmt: skip
    ours, back = rows(phantoms), rows(tmp_path / "back.csv")
    assert [row["abnormal"] for row in back] == [row["abnormal"] for row in ours]
    assert [row["fold"] for row in back] == [row["fold"] for row in rows(tmp_path / "split.csv")]
    for old, new in zip(ours, back, strict=True):
        assert (tmp_path / new["venous_image"]).read_bytes() == (phantoms.parent / old["venous_image"]).read_bytes()
        labels = [nib.load(f) for f in (tmp_path / new["venous_label"], phantoms.parent / old["venous_label"])]
        assert np.array_equal(*(np.asarray(label.dataobj) for label in labels))
    assert "4 cases of 4 patients: 2 abnormal, 2 normal" in call(
        "check", tmp_path / "back.csv", "--phase", "venous", "--workers", 0
    )


def test_what_is_to_be_ignored_is_nnunets_ignore_label_and_labels_in_part_are_refused(phantoms, tmp_path):
    policy = LabelPolicy({1: 1, 2: 2, 3: IGNORED})
    case = next(case for case in read_cohort(phantoms, ("venous",))[0].cases if case.abnormal)
    checked = check_case(case, policy)
    export_nnunet([checked], tmp_path / "raw", ("venous",), policy)
    assert json.loads((tmp_path / "raw" / "dataset.json").read_text())["labels"]["ignore"] == 4
    stored = np.asarray(nib.load(tmp_path / "raw" / "labelsTr" / f"{case.id}.nii.gz").dataobj)
    given = np.asarray(nib.load(case.scans["venous"].label).dataobj)
    assert (stored == np.where(given == 3, 4, given)).all()
    partly = replace(checked, case=replace(case, labeled=("pancreas",)))
    with pytest.raises(CohortError, match="have no label of a class"):
        export_nnunet([partly], tmp_path / "other", ("venous",), policy)


def test_phases_on_different_grids_are_no_channels_of_nnunet(phantoms, tmp_path):
    with pytest.raises(CohortError, match="share one grid"):
        call("export", phantoms, tmp_path / "raw", "--phase", "venous", "--phase", "arterial", "--workers", 0)


def test_a_split_table_keeps_everything_else_and_patients_together(phantoms, tmp_path):
    (tmp_path / "sub").mkdir()
    call("split", phantoms, "--folds", 2, "--out", tmp_path / "sub" / "split.csv")
    cohort, faults = read_cohort(tmp_path / "sub" / "split.csv", ("arterial", "venous"))
    assert faults == []
    assert {case.fold for case in cohort.cases} == {0, 1}
    for case in cohort.cases:
        assert case.scans["venous"].image.is_file()
    original, _ = read_cohort(phantoms, ("arterial", "venous"))
    assert [case.abnormal for case in cohort.cases] == [case.abnormal for case in original.cases]


def test_nothing_is_written_over(phantoms, tmp_path):
    out = tmp_path / "split.csv"
    out.write_text("mine")
    with pytest.raises(CohortError, match="is there already"):
        call("split", phantoms, "--out", out)
    assert out.read_text() == "mine"
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "thesis.txt").write_text("")
    with pytest.raises(CohortError, match="not empty"):
        call("export", phantoms, tmp_path / "raw", "--phase", "venous", "--workers", 0)


def test_a_pattern_import_with_diagnoses_reads_as_a_cohort(phantoms, tmp_path):
    table = tmp_path / "dx.csv"
    table.write_text("case_id,abnormal\n" + "".join(f"{row['case_id']},{row['abnormal']}\n" for row in rows(phantoms)))
    said = call(
        "import", "pattern", phantoms.parent, "--images", "images/{case}_{phase}.nii.gz", "--labels",
        "labels/{case}_{phase}.nii.gz", "--phase", "arterial=arterial", "--phase", "venous=venous",
        "--diagnoses", table, "--out", tmp_path / "cohort.csv",
    )  # fmt: skip
    assert "4 cases (0 of unknown diagnosis)" in said
    cohort, faults = read_cohort(tmp_path / "cohort.csv", ("arterial", "venous"))
    original, _ = read_cohort(phantoms, ("arterial", "venous"))
    assert faults == []
    for one, two in zip(cohort.cases, original.cases, strict=True):
        assert (one.id, one.abnormal) == (two.id, two.abnormal)
        assert one.scans["arterial"].label.samefile(two.scans["arterial"].label)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"train": [], "val": ["P000"]}]', "leaves P001 out"),
        ('[{"val": ["P000", "P001", "P002", "P003"]}, {"val": ["P000"]}]', "validates P000 in two folds"),
        ("[1]", "TypeError"),
        ("{", "JSONDecodeError"),
    ],
)
def test_splits_that_do_not_fit_are_refused(phantoms, tmp_path, text, reason):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(CohortError, match=reason):
        call(
            "import", "pattern", phantoms.parent, "--images", "images/{case}_venous.nii.gz", "--phase", "x=venous",
            "--splits", tmp_path / "s.json", "--out", tmp_path / "cohort.csv",
        )  # fmt: skip
    assert not (tmp_path / "cohort.csv").exists()


def test_a_source_without_cases_and_wrong_diagnoses_are_said(phantoms, tmp_path):
    with pytest.raises(CohortError, match="no case was found"):
        call(
            "import",
            "pattern",
            phantoms.parent,
            "--images",
            "{case}.mha",
            "--phase",
            "x=venous",
            "--out",
            tmp_path / "c",
        )
    (tmp_path / "dx.csv").write_text("case_id,abnormal\nP000,perhaps\n")
    with pytest.raises(CohortError, match="wanted case_id and abnormal"):
        call(
            "import", "pattern", phantoms.parent, "--images", "images/{case}_venous.nii.gz", "--phase", "x=venous",
            "--diagnoses", tmp_path / "dx.csv", "--out", tmp_path / "c",
        )  # fmt: skip


def import_venous(phantoms, out, *more):
    pattern = ("import", "pattern", phantoms.parent, "--images", "images/{case}_venous.nii.gz", "--phase", "x=venous")
    return call(*pattern, *more, "--out", out)


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        (("X1", "X2"), r"dx\.csv: names X1, X2, and the cases are P000, P001, P002, P003"),
        (("P000", "p001"), r"dx\.csv: names the case 'p001'; did you mean 'P001'\?"),
    ],
)
def test_diagnoses_that_miss_the_cases_they_are_meant_for_are_refused(phantoms, tmp_path, ids, reason):
    (tmp_path / "dx.csv").write_text("case_id,abnormal\n" + "".join(f"{case},1\n" for case in ids))
    with pytest.raises(CohortError, match=reason):
        import_venous(phantoms, tmp_path / "c.csv", "--diagnoses", tmp_path / "dx.csv")
    assert not (tmp_path / "c.csv").exists()


def test_leading_zeros_that_a_spreadsheet_has_taken_are_recognized():
    entries = [Entry(case, case, {}) for case in ("001", "002")]
    with pytest.raises(CohortError, match=r"'1'; did you mean '001'\?\n.*'2\.0'; did you mean '002'\?"):
        strangers(entries, ["1", "2.0"], Path("dx.csv"))
    assert strangers(entries, ["001", "2x"], Path("dx.csv")) == "dx.csv names 1 that are no case here: 2x"


def test_diagnoses_and_splits_of_a_larger_cohort_are_taken_and_what_is_left_over_is_noted(phantoms, tmp_path):
    (tmp_path / "dx.csv").write_text("case_id,abnormal\nP000,1\nX1,0\n")
    (tmp_path / "s.json").write_text(json.dumps([{"val": ["P000", "P001"]}, {"val": ["P002", "P003", "X2"]}]))
    said = import_venous(
        phantoms, tmp_path / "c.csv", "--diagnoses", tmp_path / "dx.csv", "--splits", tmp_path / "s.json"
    )
    assert "dx.csv names 1 that are no case here: X1" in said
    assert "s.json names 1 that are no case here: X2" in said
    assert [row["abnormal"] for row in rows(tmp_path / "c.csv")] == ["1", "", "", ""]


def test_a_label_that_is_to_mean_abnormal_and_is_nowhere_is_noted(phantoms, tmp_path):
    said = import_venous(
        phantoms, tmp_path / "c.csv", "--labels", "labels/{case}_venous.nii.gz", "--abnormal-label", 2,
        "--abnormal-label", 7,
    )  # fmt: skip
    assert "note: no label map holds 7, so nothing is abnormal by it; they hold 0, 1, 2" in " ".join(said.split())
    assert [row["abnormal"] for row in rows(tmp_path / "c.csv")] == ["0", "1", "0", "1"]


def test_two_diagnoses_of_one_case_are_refused(phantoms, tmp_path):
    (tmp_path / "dx.csv").write_text("case_id,abnormal\nP000,1\nP001,0\nP000,0\n")
    with pytest.raises(CohortError, match=r"dx\.csv:4: gives P000 another diagnosis than an earlier row"):
        import_venous(phantoms, tmp_path / "c.csv", "--diagnoses", tmp_path / "dx.csv")


def test_phases_and_ids_that_no_table_can_hold_are_said_when_importing(phantoms, tmp_path):
    (tmp_path / "-x.nii").touch()
    with pytest.raises(CohortError) as raised:
        call(
            "import", "pattern", tmp_path, "--images", "{case}.nii", "--phase", "a=venous", "--out", tmp_path / "c.csv"
        )
    assert "case_id '-x' names result files" in str(raised.value)
    with pytest.raises(CohortError, match="no case has a late image; correct what stands for it, or leave it out"):
        call(
            "import", "pattern", phantoms.parent, "--images", "images/{case}_{phase}.nii.gz", "--phase",
            "venous=venous", "--phase", "delayed=late", "--out", tmp_path / "c.csv",
        )  # fmt: skip


def test_labels_that_are_nowhere_are_noted(phantoms, tmp_path):
    said = import_venous(phantoms, tmp_path / "c.csv", "--labels", "segmentations/{case}.nii.gz")
    assert "note: no case has a label where --labels says: segmentations/{case}.nii.gz" in " ".join(said.split())


def test_splits_are_written_as_nnunet_reads_them():
    assert json.loads(splits_text({"A": 0, "B": 1, "C": 0})) == [
        {"train": ["B"], "val": ["A", "C"]},
        {"train": ["A", "C"], "val": ["B"]},
    ]


def test_the_fingerprint_counts_and_measures_what_is_in_the_files(phantoms):
    cohort, _ = read_cohort(phantoms, ("arterial", "venous"))
    found = fingerprint([check_case(case, LabelPolicy()) for case in cohort.cases])
    assert (found.abnormal, found.normal, found.patients) == (2, 2, 4)
    venous = found.phases["venous"]
    assert (venous.scans, venous.labeled) == (4, 4)
    volumes = []
    for case in cohort.cases:
        image = nib.load(case.scans["venous"].label)
        count = int((np.asarray(image.dataobj) == 2).sum())
        if count:
            volumes.append(count * float(np.prod(image.header.get_zooms())))
    assert venous.tumor_mm3.low == pytest.approx(min(volumes), rel=1e-5)
    assert venous.tumor_mm3.high == pytest.approx(max(volumes), rel=1e-5)
    assert 30 < venous.pancreas_hu.median < 130
    text = "\n".join(found.lines)
    assert "venous: 4 scans, 4 with labels" in text


def test_a_copy_that_is_packed_otherwise_is_the_same_scan(phantoms, tmp_path):
    for kind in ("a", "b"):
        image = nib.load(phantoms.parent / "images" / "P000_venous.nii.gz")
        nib.save(image, tmp_path / f"{kind}.nii.gz" if kind == "a" else tmp_path / f"{kind}.nii")
    (tmp_path / "c.csv").write_text("case_id,patient_id,abnormal,venous_image\nA,p,1,a.nii.gz\nB,q,0,b.nii\n")
    with pytest.raises(CohortError, match=r"same image content stands under A \(venous\), B \(venous\)"):
        call("check", tmp_path / "c.csv", "--phase", "venous", "--workers", 0)
