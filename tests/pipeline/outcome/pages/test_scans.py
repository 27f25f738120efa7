"""Tests of pnetkit.pipeline.outcome.pages.scans: what several runs show of one scan is the same part of it."""

import nibabel as nib
import numpy as np
import pytest

from pnetkit.cohort.file_names import segmentation_name
from pnetkit.files import file_digest
from pnetkit.imaging.boxes import Box
from pnetkit.imaging.nifti import write_labels
from pnetkit.label_sets import IGNORED
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.pipeline.outcome.folder import SEGMENTATIONS
from pnetkit.pipeline.outcome.pages import scans
from pnetkit.pipeline.outcome.pages.scans import read_volumes, shown, shown_by_all
from pnetkit.pipeline.outcome.pages.stored import Stored
from pnetkit.types import ScanFiles

SHAPE = (90, 60, 40)
GRID = np.diag([2.0, 2.0, 4.0, 1.0])  # a margin of 20 mm is 10, 10 and 5 voxels
FOUND = {"left": (slice(20, 24), slice(20, 24), slice(10, 12)), "right": (slice(60, 64), slice(30, 40), slice(20, 22))}


@pytest.fixture
def told(tmp_path):
    """Two runs whose segmentations, of 4 voxels and more, lie far from each other, and the scan's own file."""
    hu = np.random.default_rng(0).normal(40, 200, SHAPE).clip(-1000, 1000).astype(np.int16)
    hu[:3] = -1000
    nib.save(nib.Nifti1Image(hu, GRID), tmp_path / "scan.nii.gz")
    files = {("P1", "venous"): ScanFiles(tmp_path / "scan.nii.gz")}
    digests = {"venous": {"image": file_digest(tmp_path / "scan.nii.gz"), "label": None}}
    record = {"inputs": {"venous": ["venous"]}, "cases": {"P1": {"files": digests}}, "labels": {}}
    runs = []
    for name, part in FOUND.items():
        labels = np.zeros(SHAPE, np.uint8)
        labels[part] = 1
        folder = tmp_path / name / SEGMENTATIONS
        folder.mkdir(parents=True)
        write_labels(folder / segmentation_name("P1", "venous"), labels, like=tmp_path / "scan.nii.gz")
        runs.append((FinishedRun(name, tmp_path / name, record, {}, {}, {}, {}), Stored(None, {}), files))
    return runs


def test_each_run_alone_is_cropped_to_what_it_found(told):
    one, two = (shown(*of, "P1", "venous")["venous"].box for of in told)
    assert (one.start, one.stop) == ((10, 10, 5), (34, 34, 17))
    assert (two.start, two.stop) == ((50, 20, 15), (74, 50, 27))


def test_what_nobody_labeled_is_drawn_as_the_file_has_it(told, tmp_path):
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[30:34, 30:34, 20:22], drawn[80:, 50:, 30:] = 2, 7
    write_labels(tmp_path / "label.nii.gz", drawn, like=tmp_path / "scan.nii.gz")
    run, stored, files = told[0]
    run.record["cases"]["P1"]["files"]["venous"]["label"] = file_digest(tmp_path / "label.nii.gz")
    run.record["labels"] |= {"mapping": {"2": 2, "7": IGNORED}, "unmapped": "error"}
    files["P1", "venous"] = ScanFiles(tmp_path / "scan.nii.gz", tmp_path / "label.nii.gz")
    seen = shown(run, stored, files, "P1", "venous")["venous"]
    assert (seen.box.start, seen.box.stop) == ((10, 10, 5), (44, 44, 27)), "what is ignored is no part of the organ"
    assert (seen.crop.truth == np.where(drawn == 7, 0, drawn)[seen.box.slices]).all()
    whole = read_volumes(run, stored, files, "P1", "venous").crop("venous", None, Box((0, 0, 0), SHAPE), is_whole=True)
    assert set(np.unique(whole.truth)) == {0, 2}


def test_runs_that_are_shown_together_are_cropped_to_what_all_found_and_the_scan_is_read_once(told, monkeypatch):
    read = []
    monkeypatch.setattr(scans, "read_scan", lambda path, of=scans.read_scan: (read.append(path), of(path))[1])
    one, two = (of["venous"] for of in shown_by_all(told, "P1", "venous"))
    assert (one.box.start, one.box.stop) == ((10, 10, 5), (74, 50, 27)) == (two.box.start, two.box.stop)
    assert (one.crop.hu == two.crop.hu).all()
    assert [int((of.crop.found > 0).sum()) for of in (one, two)] == [32, 80]
    assert len(read) == 1


def test_one_run_without_a_segmentation_says_so_beside_another_that_is_shown(told, tmp_path):
    (tmp_path / "left" / SEGMENTATIONS / segmentation_name("P1", "venous")).unlink()
    one, two = shown_by_all(told, "P1", "venous")
    assert one.startswith("Nothing to show: the segmentation is neither")
    assert two["venous"].box.start == (50, 20, 15)


def test_what_was_prepared_at_a_spacing_is_on_another_grid_and_is_not_shown_under_the_scans_labels(told, monkeypatch):
    other = scans._Read([np.zeros((45, 30, 40), np.float32)], None, None, [(-100.0, 240.0)])
    monkeypatch.setattr(scans, "_prepared", lambda *_: other)
    run, stored, files = told[0]
    assert not shown(run, stored, files, "P1", "venous")["venous"].crop.hu.any(), "what was prepared is taken"
    run.record["networks"] = [{"input": "venous", "fold": 0, "spacing_mm": [4.0, 4.0, 4.0]}]
    seen = shown(run, stored, files, "P1", "venous")["venous"]
    scan = np.asarray(nib.load(files["P1", "venous"].image).dataobj)
    assert (seen.crop.hu == scan[seen.box.slices]).all()
