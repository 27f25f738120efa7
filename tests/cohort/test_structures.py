"""Public sets with a folder for each case and a file for each structure, made to the letter of their layouts."""

import csv

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from pnetkit.cli.main import cli
from pnetkit.cohort.check import LabelPolicy, check_case
from pnetkit.cohort.structures import structure_cases
from pnetkit.cohort.table import read_cohort
from pnetkit.errors import CohortError
from pnetkit.imaging.nifti import read_labels
from tests.cohort.xlsx import write_xlsx

SHAPE = (6, 5, 4)
AFFINE = np.diag([-0.8, -0.8, 2.5, 1.0])  # as scanners store it: to the left and to the back


def save(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, affine), path)


def save_case(images, masks, case, structures, affine=AFFINE):
    hu = np.random.default_rng(len(case)).integers(-100, 240, SHAPE, dtype=np.int16)
    hu[0, 0] = -1000
    save(images / case / "ct.nii.gz", hu)
    for name, voxels in structures.items():
        mask = np.zeros(SHAPE, dtype=np.uint8)
        for voxel in voxels:
            mask[voxel] = 1
        save(masks / case / "segmentations" / f"{name}.nii.gz", mask, affine)


HEADER = [
    "PanTS ID",
    "shape",
    "ct phase",
    "sex",
    "site",
    "site detail",
    "number of pancreatic lesion instances",
    "tumor?",
]
BODY = {
    "pancreas": [(2, 2, 2), (3, 2, 2), (4, 2, 2)],
    "pancreatic_lesion": [(3, 2, 2)],
    "pancreatic_duct": [(2, 2, 2), (3, 2, 2)],
}


@pytest.fixture
def pants(tmp_path):
    folder = tmp_path / "PanTS"
    save_case(folder / "ImageTr", folder / "LabelTr", "PanTS_00000001", BODY)
    save_case(folder / "ImageTr", folder / "LabelTr", "PanTS_00000002", BODY | {"pancreatic_lesion": []})
    save_case(folder / "ImageTr", folder / "LabelTr", "PanTS_00000003", BODY)
    save_case(folder / "ImageTr", folder / "LabelTr", "PanTS_00000004", BODY)
    save_case(folder / "ImageTe", folder / "LabelTe", "PanTS_00009001", BODY | {"pancreatic_lesion": []})
    rows = [
        HEADER,
        ["PanTS_00000001", "(6, 5, 4)", "Venous", "F", "US", "US-1", 1, 1],
        ["PanTS_00000002", "(6, 5, 4)", "Arterial", "M", "DE", "DE-2", 0, 1],
        ["PanTS_00000003", "(6, 5, 4)", "Non-contrast", "M", "DE", "DE-2", 1, 1],
        ["PanTS_00000004", "(6, 5, 4)", None, "M", None, None, 1, 1],
        ["PanTS_00009001", "(6, 5, 4)", "Venous", "M", "US", "US-1", 0, 0],
        ["PanTS_00009002", "(6, 5, 4)", "Venous", "M", "US", "US-1", 0, 0],
    ]
    write_xlsx(folder / "metadata.xlsx", rows)
    return folder


PHASES = {"Arterial": "arterial", "venous": "venous"}


def call(*arguments):
    return CliRunner().invoke(cli, ["cohort", "import", *map(str, arguments)])


def table(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_pants_gives_unpaired_phases_sites_lesion_counts_and_its_own_test_cases(pants):
    found = structure_cases("pants", pants, PHASES)
    one, two, test = found.entries
    assert [list(entry.images) for entry in found.entries] == [["venous"], ["arterial"], ["venous"]]
    assert [entry.site for entry in found.entries] == ["US-1", "DE-2", "US-1"]
    assert [entry.abnormal for entry in found.entries] == [True, True, False]
    assert [entry.held_out for entry in found.entries] == [False, False, True]
    assert [entry.more["lesion_count"] for entry in found.entries] == ["1", "0", "0"]
    assert one.images["venous"] == pants / "ImageTr" / "PanTS_00000001" / "ct.nii.gz"
    assert set(found.masks["PanTS_00000001"]) == {1, 2}, "the duct is not taken, unless it is asked for"
    assert (two.patient_id, test.case_id) == ("PanTS_00000002", "PanTS_00009001")
    said = "; ".join(found.notes)
    assert "names 1 that are no case here" in said
    assert "2 cases of phases that no --phase names left out (1 Non-contrast, 1 no phase)" in said
    assert "1 case taken as abnormal, where one column says tumor and one none: PanTS_00000002" in said
    assert "1 case of the set's own test" in said


def test_pants_becomes_a_cohort_with_label_maps_where_the_lesion_lies_over_the_duct_over_the_pancreas(pants, tmp_path):
    out, maps = tmp_path / "table" / "cohort.csv", tmp_path / "maps"
    usual = (pants, "--phase", "Arterial=arterial", "--phase", "Venous=venous", "--workers", 0, "--combined", maps)
    result = call("pants", *usual, "--structure", "pancreatic_duct=duct", "--out", out)
    assert "3 cases (0 of unknown diagnosis)" in result.output, result.output
    cohort, faults = read_cohort(out, ("arterial", "venous"))
    assert not faults
    one = cohort.cases[0]
    assert (one.site, one.held_out, one.abnormal, list(one.scans)) == ("US-1", False, True, ["venous"])
    assert not check_case(one, LabelPolicy()).faults
    labels, _ = read_labels(maps / "PanTS_00000001.nii.gz")
    # RAS+ order turns the first two axes: (2, 2, 2) lies at (3, 2, 2)
    assert (labels[3, 2, 2], labels[2, 2, 2], labels[1, 2, 2]) == (3, 2, 1)
    assert np.count_nonzero(labels) == 3
    stored = nib.load(maps / "PanTS_00000001.nii.gz")
    assert np.allclose(stored.affine, AFFINE)
    assert [row["labeled"] for row in table(out)] == ["pancreas tumor duct"] * 3

    before = (maps / "PanTS_00000001.nii.gz").read_bytes()
    again = call("pants", *usual, "--structure", "pancreatic_duct=duct", "--out", tmp_path / "again.csv")
    assert again.exit_code == 0, again.output
    assert (maps / "PanTS_00000001.nii.gz").read_bytes() == before
    other = call("pants", *usual, "--out", tmp_path / "other.csv")
    assert "is there already and says something else" in str(other.exception or other.output)


def test_two_structures_of_one_label_are_both_in_the_label_map(pants, tmp_path):
    masks = pants / "LabelTr" / "PanTS_00000001" / "segmentations"
    cyst = np.zeros(SHAPE, dtype=np.uint8)
    cyst[0, 2, 2] = 1
    save(masks / "pancreatic_cyst.nii.gz", cyst)
    usual = ("--phase", "ct=venous", "--workers", 0, "--combined", tmp_path / "m", "--out", tmp_path / "c.csv")
    result = call("pants", pants, *usual, "--structure", "pancreatic_cyst=tumor")
    assert result.exit_code == 0, result.output
    labels, _ = read_labels(tmp_path / "m" / "PanTS_00000001.nii.gz")
    assert (labels[2, 2, 2], labels[5, 2, 2]) == (2, 2), "the lesion and the cyst; RAS+ order turns the first two axes"
    assert np.count_nonzero(labels == 2) == 2


def test_labels_overrule_the_table_only_where_there_are_some_and_that_is_said(pants, tmp_path):
    usual = ("--phase", "ct=venous", "--workers", 0, "--out")
    call("pants", pants, *usual, tmp_path / "a.csv", "--abnormal-label", 2)
    assert [row["abnormal"] for row in table(tmp_path / "a.csv")] == ["1", "1", "1", "1", "0"], "no label: the table's"
    result = call("pants", pants, *usual, tmp_path / "b.csv", "--abnormal-label", 2, "--combined", tmp_path / "m")
    assert [row["abnormal"] for row in table(tmp_path / "b.csv")] == ["1", "0", "1", "1", "0"]
    said = " ".join(result.output.split())
    assert "1 case called otherwise by the set's own table; the label maps win: PanTS_00000002" in said


def test_a_mask_that_lies_elsewhere_than_its_image_is_refused_with_its_case(pants, tmp_path):
    shifted = AFFINE.copy()
    shifted[:3, 3] += [0.4, 0, 0]
    mask = np.zeros(SHAPE, dtype=np.uint8)
    save(pants / "LabelTr" / "PanTS_00000001" / "segmentations" / "pancreatic_lesion.nii.gz", mask, shifted)
    result = call(
        "pants", pants, "--phase", "ct=venous", "--combined", tmp_path / "m", "--workers", 0, "--out", "x.csv"
    )
    assert isinstance(result.exception, CohortError) or result.exit_code == 4
    said = f"{result.output}{result.exception}"
    assert "PanTS_00000001" in said
    assert "0.5 voxels" in said


def test_totalsegmentator_has_a_table_with_semicolons_and_no_label_of_tumors(tmp_path):
    folder = tmp_path / "ts"
    save_case(folder, folder, "s0000", {"pancreas": [(1, 1, 1)], "liver": [(0, 0, 0)]})
    save_case(folder, folder, "s0003", {"pancreas": [(1, 1, 1)]})
    save_case(folder, folder, "s0004", {"liver": [(0, 0, 0)]})
    meta = "image_id;age;gender;institute;study_type;split\ns0000;67;m;C;ct abdomen;train\n"
    (folder / "meta.csv").write_text(meta + "s0003;60;f;B;ct abdomen;test\ns0004;60;f;B;ct neck;val\n")
    out = tmp_path / "cohort.csv"
    result = call(
        "totalsegmentator", folder, "--phase", "ct=venous", "--combined", tmp_path / "m", "--workers", 0, "--out", out
    )
    assert "1 cases have a file of none of the structures" in result.output, result.output
    rows = table(out)
    assert [row["case_id"] for row in rows] == ["s0000", "s0003", "s0004"]
    assert [row["held_out"] for row in rows] == ["0", "1", "0"]
    assert [row["site"] for row in rows] == ["C", "B", "B"]
    assert [row["labeled"] for row in rows] == ["pancreas", "pancreas", ""]
    assert [row["abnormal"] for row in rows] == ["", "", ""]
    with pytest.raises(CohortError, match="no column of phases, so say which all images are"):
        structure_cases("totalsegmentator", folder, PHASES)


def test_abdomenatlas_lies_one_folder_further_down_and_needs_a_phase_for_all(tmp_path):
    inner = tmp_path / "AbdomenAtlas1.1Mini" / "AbdomenAtlas1.1Mini"
    save_case(inner, inner, "BDMAP_00000001", {"pancreas": [(1, 1, 1)]})
    save(inner / "BDMAP_00000001" / "combined_labels.nii.gz", np.zeros(SHAPE, dtype=np.uint8))
    (entry,) = structure_cases("abdomenatlas", inner.parent, {"ct": "venous"}).entries
    assert (entry.case_id, entry.images["venous"].name) == ("BDMAP_00000001", "ct.nii.gz")
    with pytest.raises(CohortError, match="no table that is known of abdomenatlas, so phases are not known"):
        structure_cases("abdomenatlas", inner, PHASES)
    save_case(inner.parent / "more", inner.parent / "more", "BDMAP_00000001", {})
    with pytest.raises(CohortError, match="is a second folder of the case BDMAP_00000001"):
        structure_cases("abdomenatlas", inner.parent, {"ct": "venous"})


def test_a_set_without_cases_and_a_table_of_others_are_said(pants, tmp_path):
    with pytest.raises(CohortError, match=r"has no case; wanted ImageTr/CASE/ct.nii.gz and ImageTe"):
        structure_cases("pants", pants / "ImageTr", PHASES)
    (tmp_path / "other.csv").write_text("id;ct phase\nX;Venous\n")
    with pytest.raises(CohortError, match="names none of the cases"):
        structure_cases("pants", pants, PHASES, tmp_path / "other.csv")
    (tmp_path / "twice.csv").write_text("id;ct phase\n" + "PanTS_00000001;Venous\n" * 2)
    with pytest.raises(CohortError, match="has 2 rows of PanTS_00000001; wanted one"):
        structure_cases("pants", pants, PHASES, tmp_path / "twice.csv")


def test_options_of_other_layouts_are_refused(pants, tmp_path):
    result = call("msd", pants, "--phase", "image=venous", "--combined", tmp_path, "--out", tmp_path / "x.csv")
    assert "--combined is of the layouts pants" in result.output
    result = call("pants", pants, "--phase", "ct=venous", "--structure", "a=duct", "--out", tmp_path / "x.csv")
    assert "say where to write them with --combined" in result.output
    usual = ("pants", pants, "--phase", "ct=venous", "--combined", tmp_path / "m", "--out", tmp_path / "x.csv")
    assert "wanted NAME=LABEL" in call(*usual, "--structure", "pancreatic_duct=5").output
