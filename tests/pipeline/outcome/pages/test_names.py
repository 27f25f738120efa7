"""Tests of pnetkit.pipeline.outcome.pages.names."""

import pytest

from pnetkit.pipeline.outcome.pages.names import names_of

IDS = ["P1", "P10", "Miller"]


def test_folders_are_taken_out_of_texts():
    names = names_of(IDS, pseudonyms=False)
    assert names.safe("/home/anna/ct/P1.nii.gz: is cut short") == "P1.nii.gz: is cut short"
    assert names.safe("data/anna/P1.nii.gz: tumor/duct") == "P1.nii.gz: tumor/duct"
    assert names.safe(r"C:\data\anna\P1.nii.gz: is cut short") == "P1.nii.gz: is cut short"


SPOKEN = [
    ("/data/John Smith/art.nii.gz: cannot be read", "art.nii.gz: cannot be read"),
    ("/data/Smith, John (2)/a b/x.nii.gz: bad", "x.nii.gz: bad"),
    ("Smith/x.nii.gz: bad", "x.nii.gz: bad"),
    (r"C:\Users\Jo Doe\scan.nii.gz: bad", "scan.nii.gz: bad"),
    ("/Smith.nii.gz: 3/4 of it", "Smith.nii.gz: 3/4 of it"),
]


@pytest.mark.parametrize(("text", "said"), SPOKEN)
def test_folders_are_taken_out_whatever_they_are_called(text, said):
    assert names_of(IDS, pseudonyms=False).safe(text) == said


def test_a_file_from_a_root_on_is_hidden_as_a_whole_by_pseudonyms():
    said = names_of(IDS, pseudonyms=True).safe("/data/John Smith/John Smith.nii.gz: cannot be read")
    assert said == "(file): cannot be read"


def test_pseudonyms_hide_ids_and_files_whole_words_alone():
    names = names_of(IDS, pseudonyms=True)
    assert [names.of(case) for case in IDS] == ["Case 1", "Case 2", "Case 3"]
    said = names.safe("segment of P10 venous: /data/Miller_ct.nii.gz is cut short, as P1 and P100 are; Miller_x")
    assert said == "segment of Case 2 venous: (file) is cut short, as Case 1 and P100 are; Case 3_x"
