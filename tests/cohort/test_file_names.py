"""Tests of pnetkit.cohort.file_names: two scans never have one file."""

import pytest

from pnetkit.cohort.file_names import require_distinct_names, segmentation_name
from pnetkit.errors import CohortError


def test_a_segmentation_is_named_by_case_and_phase():
    assert segmentation_name("P1", "venous") == "P1_venous.nii.gz"
    assert segmentation_name("P1", "venous", "agreement") == "P1_venous_agreement.nii.gz"


@pytest.mark.parametrize(
    ("cases", "phases", "file"),
    [
        (["P1", "P1_late"], ["late_venous", "venous"], "p1_late_venous.nii.gz"),
        (["P1"], ["venous", "venous_agreement"], "p1_venous_agreement.nii.gz"),
        (["P1", "p1"], ["venous"], "p1_venous.nii.gz"),
    ],
)
def test_scans_that_would_have_one_file_are_refused_by_name(cases, phases, file):
    with pytest.raises(CohortError, match="one would overwrite the other") as caught:
        require_distinct_names(cases, phases)
    assert file in {fault.where for fault in caught.value.faults}


def test_others_are_fine():
    require_distinct_names(["P1", "P1_late", "P2"], ["arterial", "venous"])
