"""Tests of pnetkit.pipeline.outcome.pages.names."""

from pnetkit.pipeline.outcome.pages.names import names_of

IDS = ["P1", "P10", "Miller"]


def test_folders_are_taken_out_of_texts():
    names = names_of(IDS, pseudonyms=False)
    assert names.safe("/home/anna/ct/P1.nii.gz: is cut short") == "P1.nii.gz: is cut short"
    assert names.safe("data/anna/P1.nii.gz: tumor/duct") == "P1.nii.gz: tumor/duct"
    assert names.safe(r"C:\data\anna\P1.nii.gz: is cut short") == "P1.nii.gz: is cut short"


def test_pseudonyms_hide_ids_and_files_whole_words_alone():
    names = names_of(IDS, pseudonyms=True)
    assert [names.of(case) for case in IDS] == ["Case 1", "Case 2", "Case 3"]
    said = names.safe("segment of P10 venous: /data/Miller_ct.nii.gz is cut short, as P1 and P100 are; Miller_x")
    assert said == "segment of Case 2 venous: (file) is cut short, as Case 1 and P100 are; Case 3_x"
