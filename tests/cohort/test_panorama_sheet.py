"""PANORAMA's sheet: several studies of one patient, numbers without their zeros, diagnoses."""

import pytest

from pnetkit.cohort.layouts import Entry
from pnetkit.cohort.panorama_sheet import with_sheet
from pnetkit.errors import CohortError
from tests.cohort.xlsx import write_xlsx

HEADER = ["PANORAMA_patient_id", "PANORAMA_study_id", "anonymized_study_date", "patient_age", "label", "level"]


def entry(case):
    return Entry(case, case.split("_")[0], {})


CASES = [entry("100000_00001"), entry("100001_00001"), entry("000012_00001")]


@pytest.mark.parametrize("studies", [("100000_00001", "100001_00001", "000012_00001"), (100000, 100001, 12)])
def test_studies_of_one_patient_are_grouped_however_the_sheet_writes_numbers(tmp_path, studies):
    rows = [
        HEADER,
        ["P7", studies[0], "20200101", "067Y", "PDAC", "histopathology"],
        ["P7", studies[1], "20210101", "068Y", "non-PDAC", "radiology"],
        ["P9", studies[2], "20210101", "050Y", "PDAC", "MSD_dataset"],
    ]
    found, notes = with_sheet(CASES, write_xlsx(tmp_path / "clinical_information.xlsx", rows))
    assert [of.patient_id for of in found] == ["P7", "P7", "P9"]
    assert [of.abnormal for of in found] == [True, False, True]
    assert [of.site for of in found] == ["", "", "MSD"]
    assert notes[0].startswith("2 patients for 3 studies")


def test_patient_and_study_in_two_columns_name_a_study_together(tmp_path):
    rows = [HEADER, [100000, 1, "", "", "PDAC", ""], [100001, 1, "", "", "non-PDAC", ""]]
    found, notes = with_sheet(CASES, write_xlsx(tmp_path / "a.xlsx", rows))
    assert [of.abnormal for of in found] == [True, False, None]
    assert [of.patient_id for of in found] == ["100000", "100001", "000012"]
    assert "says nothing of 1 study" in notes[1]


def test_a_row_without_a_number_is_nobodys(tmp_path):
    rows = [HEADER, ["P7", "100000_00001", "", "", "PDAC", ""], ["P8", "", "", "", "PDAC", ""], ["P8"] + [""] * 5]
    found, _ = with_sheet([CASES[0], entry("extra_case")], write_xlsx(tmp_path / "a.xlsx", rows))
    assert [(of.patient_id, of.abnormal) for of in found] == [("P7", True), ("extra", None)]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([HEADER, ["P", "999999_00001", "", "", "PDAC", ""]], "names none of the studies"),
        ([HEADER, ["P", "100000_00001", "", "", "PNET", ""]], "says 'pnet' of 100000_00001"),
        ([HEADER, *[["P", "100000_00001", "", "", "PDAC", ""]] * 2], "names the study 100000_1 twice"),
        ([["id", "label"], ["a", "PDAC"]], "has no column 'PANORAMA_patient_id'"),
    ],
)
def test_a_sheet_that_does_not_fit_is_refused(tmp_path, rows, reason):
    with pytest.raises(CohortError, match=reason):
        with_sheet(CASES, write_xlsx(tmp_path / "a.xlsx", rows))
