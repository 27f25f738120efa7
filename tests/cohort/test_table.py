"""The cohort's table: what is read, and every fault at once with its line."""

from pathlib import Path

import pytest

from pnetkit.cohort.table import read_cohort, read_unlabeled_cohort
from pnetkit.errors import CohortError

HEADER = "case_id,patient_id,abnormal,arterial_image,arterial_label,venous_image,venous_label,site,fold"
PHASES = ("arterial", "venous")


def table(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_well_formed_table_becomes_cases_sorted_by_id(tmp_path):
    path = table(tmp_path, "B,p2,0,b_a.nii,,b_v.nii,,Hall,1", "A,p1,1,a_a.nii,a_al.nii,a_v.nii,a_vl.nii,Linz,0")
    cohort, faults = read_cohort(path, PHASES)
    assert faults == []
    first, second = cohort.cases
    assert (first.id, first.patient, first.abnormal, first.site, first.fold) == ("A", "p1", True, "Linz", 0)
    assert first.scans["arterial"].image == tmp_path / "a_a.nii"
    assert first.scans["venous"].label == tmp_path / "a_vl.nii"
    assert (second.abnormal, second.scans["venous"].label) == (False, None)


def test_optional_columns_may_be_absent_and_further_ones_are_left_alone(tmp_path):
    path = table(tmp_path, "A,p1,,a.nii,x", header="case_id,patient_id,abnormal,venous_image,note")
    cohort, faults = read_cohort(path, ("venous",))
    assert faults == []
    assert cohort.cases[0].abnormal is None
    assert cohort.cases[0].fold is None


def test_a_case_may_be_held_out(tmp_path):
    header = "case_id,patient_id,abnormal,venous_image,held_out"
    path = table(tmp_path, "A,p1,1,a.nii,1", "B,p2,0,b.nii,", "C,p3,0,c.nii,0", header=header)
    cohort, faults = read_cohort(path, ("venous",))
    assert faults == []
    assert [case.held_out for case in cohort.cases] == [True, False, False]
    _, faults = read_cohort(table(tmp_path, "A,p1,1,a.nii,maybe", header=header), ("venous",))
    assert [str(fault) for fault in faults] == [
        "cohort.csv:2, case A: held_out is 'maybe'; wanted 1, 0, or nothing for a case to learn from"
    ]


def test_an_empty_image_cell_is_a_missing_phase(tmp_path):
    cohort, faults = read_cohort(table(tmp_path, "A,p1,1,,,v.nii,,,"), PHASES)
    assert faults == []
    assert list(cohort.cases[0].scans) == ["venous"]


def test_every_fault_is_found_at_once_with_line_and_case(tmp_path):
    path = table(
        tmp_path,
        "A,p1,maybe,a.nii,,v.nii,,,",
        "A,p1,1,a.nii,,v.nii,,,",
        "../x,,1,a.nii,,a.nii,,,",
        "C,p3,0,,c_l.nii,,,,",
        "D,p4,0,d.nii,,,,,one",
        "E,p5,1,e.nii,,,,,",
        "E,p5,1,e2.nii,,,,,",
    )
    _, faults = read_cohort(path, PHASES)
    text = "\n".join(map(str, faults))
    for expected in [
        "cohort.csv:2, case A: abnormal is 'maybe'; wanted 1, 0, or nothing",
        "cohort.csv:4, case ../x: case_id '../x' names result files",
        "cohort.csv:4, case ../x: patient_id is empty",
        "cohort.csv:4, case ../x: names the same image file for two phases",
        "cohort.csv:5, case C: arterial_label is given without arterial_image",
        "cohort.csv:5, case C: names no image",
        "cohort.csv:6, case D: fold is 'one'; wanted a whole number",
        "cohort.csv: case_id 'E' is there 2 times",
    ]:
        assert expected in text


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ["A,p1,1,a.nii,,,,,0", "C,p3,0,c.nii,,,,,1", "B,p2,0,b.nii,,,,,"],
            "fold is given for some cases but not for B",
        ),
        (["A,p1,1,a.nii,,,,,1", "B,p2,0,b.nii,,,,,2"], r"the folds are \[1, 2\]; wanted 0, 1"),
        (["A,p1,1,a.nii,,,,,0", "B,p1,1,b.nii,,,,,1"], r"patient 'p1' is in the folds \[0, 1\]"),
    ],
)
def test_folds_that_leak_or_have_gaps_are_faults(tmp_path, rows, message):
    _, faults = read_cohort(table(tmp_path, *rows), PHASES)
    assert len(faults) == 1
    with pytest.raises(CohortError, match=message):
        raise CohortError("", faults)


def test_a_misspelt_column_is_named_with_its_like(tmp_path):
    path = table(tmp_path, "A,p1,1,a.nii,v.nii", header="case_id,patient_id,abnormal,arteral_image,venous_image")
    with pytest.raises(CohortError, match=r"no column 'arterial_image'\. Did you mean 'arteral_image'"):
        read_cohort(path, PHASES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "there is no case in it"),
        (b"case_id,patient_id,abnormal\n", "there is no case in it"),
        (b"\xff\xfe\x00bad", "cannot be read as UTF-8"),
        (b"case_id;patient_id\nA;p\n", "not separated by commas"),
        (b"case_id,patient_id,case_id\nA,p,B\n", "the column 'case_id' is there twice"),
        (b"case_id,patient_id\nA\n", r"cohort.csv:2: wanted 2 cells"),
        (b'case_id,patient_id\n"A,p\n', "not well-formed CSV"),
        (b"case_id,\0\n", "binary data"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, message):
    path = tmp_path / "cohort.csv"
    path.write_bytes(content)
    with pytest.raises(CohortError, match=message):
        read_cohort(path, PHASES)


def test_a_table_saved_by_excel_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "cohort.csv"
    path.write_bytes(b"\xef\xbb\xbfcase_id,patient_id,abnormal,venous_image\r\nA,p,1,v.nii\r\n")
    cohort, faults = read_cohort(path, ("venous",))
    assert faults == []
    assert cohort.cases[0].id == "A"


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(CohortError, match="there is no such cohort"):
        read_cohort(tmp_path / "none.csv", PHASES)


def test_a_table_without_diagnoses_reads_only_ids_and_images(tmp_path):
    path = table(tmp_path, "A,a.nii,maybe", "B,,", header="case_id,venous_image,abnormal")
    cohort, faults = read_unlabeled_cohort(path, PHASES)
    (case,) = cohort.cases
    assert (case.id, case.abnormal, case.scans["venous"].image) == ("A", None, tmp_path / "a.nii")
    assert [fault.where for fault in faults] == ["cohort.csv:3, case B"]


def test_a_case_may_have_labels_of_some_classes_only(tmp_path):
    header = "case_id,patient_id,abnormal,venous_image,labeled"
    path = tmp_path / "cohort.csv"
    rows = ["A,A,1,a,tumor pancreas", 'B,B,1,b,"pancreas, duct"', "C,C,0,c,", "D,D,0,d,pancreas;tumor;duct"]
    path.write_text("\n".join([header, *rows]))
    cohort, faults = read_cohort(path, ("venous",))
    assert not faults
    assert [case.labeled for case in cohort.cases] == [("pancreas", "tumor"), ("pancreas", "duct"), None, None]
    path.write_text(f"{header}\nA,A,1,a,pancreas tumour")
    _, (fault,) = read_cohort(path, ("venous",))
    assert "labeled names 'tumour'; wanted some of pancreas, tumor, duct, or nothing for all" in str(fault)
    assert "tumor" in str(fault).partition("for all.")[2]
