"""Tests of pnetkit.cohort.phantom: made-up patients that are different, repeatable and true to what they promise."""

import csv

import nibabel as nib
import numpy as np
import pytest

from pnetkit.cohort.phantom import PhantomSpec, write_cohort
from pnetkit.cohort.phantom.generate import phantom_case
from pnetkit.errors import CohortError

SMALL = PhantomSpec(cases=4, seed=3, shape=(32, 32, 24))


@pytest.fixture(name="patients", scope="module")
def many_patients():
    return [phantom_case(PhantomSpec(seed=9), index) for index in range(4)]


def test_a_phantom_depends_on_seed_and_index_alone():
    few, many = PhantomSpec(cases=4, seed=5, shape=(24, 24, 16)), PhantomSpec(cases=40, seed=5, shape=(24, 24, 16))
    for phase in ("arterial", "venous"):
        first, again = phantom_case(few, 2).scans[phase], phantom_case(many, 2).scans[phase]
        assert np.array_equal(first.hu, again.hu)
        assert np.array_equal(first.labels, again.labels)
        other = phantom_case(few, 3).scans[phase]
        assert other.hu.shape != first.hu.shape or not np.array_equal(other.hu, first.hu)


def test_normal_and_abnormal_patients_alternate_in_the_asked_share():
    spec = PhantomSpec(cases=8, abnormal_fraction=0.25, shape=(16, 16, 16))
    assert [phantom_case(spec, i).abnormal for i in range(8)] == [False, False, False, True] * 2


@pytest.mark.slow
def test_only_abnormal_patients_have_tumors_and_all_of_them_in_both_phases(patients):
    for patient in patients:
        for scan in patient.scans.values():
            assert (scan.labels == 1).sum() > 500
            assert bool((scan.labels == 2).any()) is patient.abnormal
            assert patient.abnormal or not (scan.labels == 3).any()


@pytest.mark.slow
def test_tumors_enhance_over_the_pancreas_more_in_the_arterial_phase(patients):
    def contrast(patient, phase):
        scan = patient.scans[phase]
        return float(scan.hu[scan.labels == 2].mean() - scan.hu[scan.labels == 1].mean())

    sick = [patient for patient in patients if patient.abnormal]
    arterial, venous = ([contrast(p, phase) for p in sick] for phase in ("arterial", "venous"))
    assert min(arterial) > 15
    assert np.mean(arterial) > np.mean(venous) > 0


@pytest.mark.slow
def test_some_ducts_are_dilated_and_dark():
    found = 0
    for index in range(1, 12, 2):
        patient = phantom_case(PhantomSpec(seed=1), index)
        for scan in patient.scans.values():
            duct = scan.labels == 3
            assert bool(duct.any()) is patient.anatomy.dilated_duct
            if duct.any():
                found += 1
                assert scan.hu[duct].mean() < scan.hu[scan.labels == 1].mean() - 15
    assert found == 4  # two of six patients, in both phases


@pytest.mark.slow
def test_phases_lie_on_different_grids(patients):
    for patient in patients:
        arterial, venous = patient.scans["arterial"], patient.scans["venous"]
        assert arterial.hu.shape != venous.hu.shape
        assert not np.allclose(np.diag(arterial.affine), np.diag(venous.affine))


@pytest.mark.slow
def test_difficulty_makes_tumors_smaller_and_fainter():
    def lesions(difficulty):
        spec = PhantomSpec(seed=2, difficulty=difficulty, shape=(16, 16, 16))
        return [lesion for i in range(1, 40, 2) for lesion in phantom_case(spec, i).anatomy.lesions]

    easy, hard = lesions(0.0), lesions(1.0)
    assert np.mean([t.radius_mm for t in hard]) < np.mean([t.radius_mm for t in easy])
    assert np.mean([t.contrast_hu["arterial"] for t in hard]) < np.mean([t.contrast_hu["arterial"] for t in easy])


@pytest.mark.slow
def test_a_written_cohort_is_a_table_of_real_files_the_same_each_time(tmp_path):
    table = write_cohort(tmp_path / "one", SMALL)
    write_cohort(tmp_path / "two", SMALL)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["abnormal"] for row in rows] == ["0", "1", "0", "1"]
    for row in rows:
        for phase in ("arterial", "venous"):
            image, label = (nib.load(table.parent / row[f"{phase}_{kind}"]) for kind in ("image", "label"))
            assert image.shape == label.shape
            assert np.array_equal(image.affine, label.affine)
    for path in sorted((tmp_path / "one").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
    assert "No figure computed on them says anything about patients" in (table.parent / "README.txt").read_text()


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(CohortError, match="is there and not empty"):
        write_cohort(tmp_path / "mine", SMALL)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
