"""Checking a case's files: every fault is found, and named with case and phase."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pnetkit.cohort import check
from pnetkit.cohort.check import LabelPolicy, check_case, duplicate_images
from pnetkit.cohort.checked import CheckedCohort
from pnetkit.cohort.phantom.generate import PhantomSpec, phantom_case
from pnetkit.imaging.nifti import read_scan
from pnetkit.label_sets import IGNORED
from pnetkit.types import Case, ScanFiles


@pytest.fixture
def save(tmp_path):
    def write(name, array, affine=None):
        nib.save(nib.Nifti1Image(array, np.diag([2.0, 2.0, 3.0, 1.0]) if affine is None else affine), tmp_path / name)
        return tmp_path / name

    return write


def ct(seed=0, shape=(6, 5, 4)):
    return np.random.default_rng(seed).integers(-1000, 1000, size=shape).astype(np.int16)


def labels(*values, shape=(6, 5, 4)):
    array = np.zeros(shape, np.uint8)
    for i, value in enumerate(values):
        array[i] = value
    return array


def case(abnormal=True, case_id="P7", **scans):
    return Case(case_id, "p", scans, abnormal)


def test_a_sound_case_has_no_faults_and_gives_digests(save):
    files = ScanFiles(save("a.nii.gz", ct()), save("al.nii.gz", labels(1, 2)))
    checked = check_case(case(arterial=files), LabelPolicy())
    assert checked.faults == checked.notes == ()
    scan = checked.scans["arterial"]
    assert len(scan.image_digest) == 64
    assert len(scan.label_digest) == 64
    assert scan.grid.shape == (6, 5, 4)
    assert scan.grid.voxel_mm3 == pytest.approx(12)


def test_a_file_that_changes_while_it_is_checked_has_no_digest(save, monkeypatch):
    """Else the digest would be that of voxels which nobody looked at."""
    files = ScanFiles(save("a.nii.gz", ct()), save("al.nii.gz", labels(1, 2)))

    def read_and_replaced(path):
        scan = read_scan(path)
        save("a.nii.gz", ct(seed=1))
        return scan

    monkeypatch.setattr(check, "read_scan", read_and_replaced)
    checked = check_case(case(arterial=files), LabelPolicy())
    assert checked.scans == {}
    (fault,) = checked.faults
    assert str(fault).startswith(f"case P7, arterial: {files.image}: was changed while it was read. Wait until nothing")


def test_a_label_of_another_shape_or_place_is_a_fault_with_numbers(save):
    image = save("a.nii.gz", ct())
    other = save("shape.nii.gz", labels(1, shape=(6, 5, 5)))
    moved = np.diag([2.0, 2.0, 3.0, 1.0])
    moved[0, 3] = 0.5
    shifted = save("moved.nii.gz", labels(1), moved)
    close = np.diag([2.0, 2.0, 3.0, 1.0])
    close[0, 3] = 5e-4
    near = save("near.nii.gz", labels(1), close)
    faults = [
        str(f) for f in check_case(case(v=ScanFiles(image, other), w=ScanFiles(image, shifted)), LabelPolicy()).faults
    ]
    assert "case P7, v: " in faults[0]
    assert "its grid (6, 5, 5) is not that of the image (6, 5, 4): the shapes differ" in faults[0]
    assert "corners lie 0.5 mm apart, 0.25 voxels; wanted at most 0.1." in faults[1]
    assert check_case(case(v=ScanFiles(image, near)), LabelPolicy()).faults == ()


def test_a_label_whose_spacing_a_tool_has_rounded_lies_on_its_image(save):
    shape = (512, 8, 6)
    image = save("a.nii.gz", np.minimum(ct(shape=shape), 300), np.diag([0.703125, 0.703125, 2.5, 1]))
    label = labels(1, 2, shape=shape)
    near = ScanFiles(image, save("near.nii.gz", label, np.diag([0.7031, 0.7031, 2.5, 1])))  # 0.018 voxels at the end
    far = ScanFiles(image, save("far.nii.gz", label, np.diag([0.703, 0.703, 2.6, 1])))  # 0.1 / 2.5 x 5 along z
    assert check_case(case(v=near), LabelPolicy()).faults == ()
    (fault,) = check_case(case(v=far), LabelPolicy()).faults
    assert "corners lie 0.5041 mm apart, 0.2 voxels; wanted at most 0.1. Export the" in str(fault)


def test_what_headers_say_alike_is_noted_once_for_all_scans(save):
    def checked(number):
        path = save(f"{number}.nii.gz", ct(number))
        image = nib.load(path)
        image.set_qform(np.diag([-2.0, 2, 3 + number / 10, 1]), code=1)
        nib.save(image, path)
        return check_case(case(case_id=f"P{number}", venous=ScanFiles(path)), LabelPolicy())

    notes = [str(note) for note in CheckedCohort(tuple(map(checked, range(4))), Path("c.csv")).notes]
    assert len(notes) == 2
    assert notes[0].startswith("case P0, venous, and 3 more scans alike: its header does not say in which unit")
    assert notes[1].startswith(
        "case P0, venous, and 3 more scans alike: its sform and qform disagree: a corner lies 20 mm"
    )


def test_a_label_stored_in_another_orientation_but_in_the_same_place_is_fine(save):
    image = save("a.nii.gz", ct())
    flipped = np.diag([-2.0, 2.0, 3.0, 1.0])
    flipped[0, 3] = 2.0 * 5
    assert check_case(case(v=ScanFiles(image, save("l.nii.gz", labels(1), flipped))), LabelPolicy()).faults == ()


def test_all_faults_of_a_case_are_listed_together(save, tmp_path):
    bad_labels = ScanFiles(save("a.nii.gz", ct()), save("al.nii.gz", labels(7)))
    missing = ScanFiles(tmp_path / "none.nii.gz")
    faults = check_case(case(arterial=bad_labels, venous=missing), LabelPolicy()).faults
    assert [fault.where for fault in faults] == ["case P7, arterial", "case P7, venous"]


def test_a_normal_case_with_a_tumor_label_is_a_fault_and_an_abnormal_one_without_is_a_note(save):
    with_tumor = ScanFiles(save("a.nii.gz", ct()), save("al.nii.gz", labels(1, 2)))
    without = ScanFiles(save("b.nii.gz", ct(1)), save("bl.nii.gz", labels(1)))
    faults = check_case(case(abnormal=False, arterial=with_tumor), LabelPolicy()).faults
    assert "is called normal, but its labels show a tumor (arterial 20 voxels)" in str(faults[0])
    checked = check_case(case(abnormal=True, arterial=without), LabelPolicy())
    assert checked.faults == ()
    assert "none of its labels shows a tumor or duct" in str(checked.notes[0])


def test_one_scan_under_two_phases_or_two_cases_is_found_by_content(save):
    a, copy = save("a.nii.gz", ct()), save("copy.nii.gz", ct())
    twice = check_case(case(arterial=ScanFiles(a), venous=ScanFiles(copy)), LabelPolicy())
    assert "two phases have the same image content" in str(twice.faults[0])
    one = check_case(case(case_id="A", venous=ScanFiles(a)), LabelPolicy())
    two = check_case(case(case_id="B", venous=ScanFiles(copy)), LabelPolicy())
    other = check_case(case(case_id="C", venous=ScanFiles(save("c.nii.gz", ct(1)))), LabelPolicy())
    faults = duplicate_images([one, two, other])
    assert len(faults) == 1
    assert "stands under A (venous), B (venous)" in str(faults[0])


def test_labels_are_mapped_as_the_policy_says(save):
    files = ScanFiles(save("a.nii.gz", ct()), save("al.nii.gz", labels(10, 52)))
    assert check_case(case(venous=files), LabelPolicy()).faults
    assert check_case(case(venous=files), LabelPolicy({10: 1}, "background")).faults == ()


def test_what_labels_leave_open_is_counted_and_no_fault(save, tmp_path):
    ignoring = LabelPolicy({1: 1, 2: 2, 7: IGNORED})
    files = ScanFiles(save("a.nii.gz", ct()), save("al.nii.gz", labels(1, 7)))
    whole, partly = (replace(case(arterial=files), labeled=of) for of in (None, ("pancreas",)))
    checked = [check_case(whole, ignoring), check_case(partly, ignoring)]
    assert [item.faults for item in checked] == [(), ()]
    assert [len(item.notes) for item in checked] == [1, 0], "where nobody looked for tumors, none is missed"
    said = [str(note) for note in CheckedCohort(tuple(checked), tmp_path).notes]
    assert "cohort: 40 voxels in 2 of 2 label maps are ignored: in no loss and no figure" in said
    assert "cohort: 1 of 2 label maps have no label of tumor: in no loss and no figure" in said
    assert "cohort: 1 of 2 label maps have no label of duct: in no loss and no figure" in said


def test_a_label_that_holds_what_it_is_said_not_to_have_is_a_fault(save):
    files = ScanFiles(save("a.nii.gz", ct()), save("al.nii.gz", labels(1, 2)))
    (fault,) = check_case(replace(case(arterial=files), labeled=("pancreas",)), LabelPolicy()).faults
    assert str(fault) == "case P7, arterial: labeled does not name tumor, but the label holds it; add it there"


def test_stored_values_that_are_padded_are_a_fault_and_no_pancreas_of_1112_hu(save):
    """The intercept was left out, and the circle's outside marked: minimum and maximum are a CT's, the body is not."""
    scan = phantom_case(PhantomSpec(seed=3, shape=(48, 48, 32)), 1).scans["arterial"]
    x, y = np.ogrid[:48, :48]
    outside = (x - 23.5) ** 2 + (y - 23.5) ** 2 > 23.5**2
    found = []
    for name, shift in (("hu", 0), ("raw", 1024)):
        stored = scan.hu + np.int16(shift)
        stored[outside] = -2000
        files = ScanFiles(
            save(f"{name}.nii.gz", stored, scan.affine), save(f"{name}_l.nii.gz", scan.labels, scan.affine)
        )
        found.append([str(fault) for fault in check_case(case(arterial=files), LabelPolicy()).faults])
    assert found[0] == []
    assert "case P7, arterial" in found[1][0]
    assert "its body is not where Hounsfield units put bodies" in found[1][0]
