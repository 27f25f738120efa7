"""Tests of pnetkit.case_ids: an id leads nowhere else, and is none of our own files."""

import pytest

from pnetkit.case_ids import case_id_fault
from pnetkit.errors import CohortError
from pnetkit.screening.source import ScreeningCase


@pytest.mark.parametrize("case_id", ["P1", "1.2.840.113", "study-0a1b", "a" * 100, "findings", "x.csv"])
def test_an_id_of_letters_digits_and_a_few_signs_is_fine(case_id):
    assert case_id_fault(case_id) == ""


@pytest.mark.parametrize(
    "case_id",
    ["", ".", "..", "../x", "/abs", "a/b", "a\\b", ".hidden", "-x", "a b", "a\n", "ä", "a\0", "x.", "a" * 101],
)
def test_an_id_that_could_lead_elsewhere_is_refused(case_id):
    assert "names result files" in case_id_fault(case_id)
    with pytest.raises(CohortError, match="names result files"):
        ScreeningCase(case_id, {})


@pytest.mark.parametrize("case_id", ["findings.csv", "screening.json", "Findings.CSV"])
def test_the_names_of_our_own_files_are_refused(case_id):
    assert "is the name of a file that pnetkit writes" in case_id_fault(case_id)
