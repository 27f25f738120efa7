"""What a segmentation is measured by: overlaps, and what the region of its search holds of the reference."""

import json
import math

import nibabel as nib
import numpy as np
import pytest

from pnetkit.evaluation.surfaces import SurfaceAgreement
from pnetkit.label_sets import IGNORED
from pnetkit.pipeline.stages import measure
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.measure import LESIONS, MEASURES, MeasureSpec
from pnetkit.store.node import File, Ref
from pnetkit.store.store import Store


def volume(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array.astype(np.uint8), np.diag([2.0, 2.0, 3.0, 1.0])), path)
    return path


@pytest.fixture
def measured(tmp_path):
    reference = np.zeros((8, 8, 8))
    reference[2:6, 2, 2] = [1, 1, 2, 3]
    found = reference.copy()
    found[2, 2, 2] = 0
    label = volume(tmp_path / "label.nii.gz", reference)
    volume(tmp_path / "store" / "postprocess" / "clean" / "labels.nii.gz", found)

    def run(region=None, *, coarse=True, labels=None, annotated=None):
        if region is not None:
            volume(tmp_path / "store" / "segment" / "search" / "region.nii.gz", region)
        spec = MeasureSpec(
            File(label, "digest"),
            {"mapping": labels, "unmapped": "error"},
            Ref("postprocess", "clean"),
            Ref("segment", "search") if coarse else None,
            annotated,
        )
        folder = tmp_path / "result"
        folder.mkdir(exist_ok=True)
        details = measure.run(spec, Context(tmp_path / "store", "cpu", 1, None), folder)
        return details, json.loads((folder / MEASURES).read_text())

    return run


def test_the_share_of_the_reference_in_the_region_is_told(measured):
    region = np.zeros((8, 8, 8))
    region[3:, :, :] = 1
    details, overlaps = measured(region)
    assert details == {"region_recall": 0.75}
    assert overlaps == {"pancreas": pytest.approx(6 / 7), "tumor": 1.0, "duct": 1.0}


def test_a_search_that_was_not_kept_to_a_region_has_no_share(measured):
    assert measured()[0] == {"region_recall": None}


def test_an_exhaustive_search_says_nothing_of_regions(measured):
    assert measured(coarse=False)[0] == {}


AS_THEY_ARE = {"1": 1, "2": 2, "3": 3}


def test_voxels_that_are_to_be_ignored_are_in_no_dice_and_no_lesion_and_are_counted(measured, tmp_path):
    region = np.zeros((8, 8, 8))
    region[3:] = 1
    details, overlaps = measured(region, labels=AS_THEY_ARE | {"2": IGNORED})
    # found 1 and 3 where true is 1, 1 and 3; the tumor's voxel is neither
    assert overlaps == {"pancreas": pytest.approx(2 * 2 / (2 + 3)), "tumor": None, "duct": 1.0}
    assert details == {"region_recall": pytest.approx(2 / 3), "ignored_voxels": 1}
    lesions = json.loads((tmp_path / "result" / LESIONS).read_text())["any"]
    assert (lesions["lesions"], lesions["false_positives"]) == ([], [])


def test_of_a_class_that_is_not_annotated_nothing_is_measured(measured, tmp_path):
    details, overlaps = measured(coarse=False, annotated=("pancreas", "duct"))
    assert (details, set(overlaps)) == ({}, {"pancreas", "duct"})
    assert json.loads((tmp_path / "result" / LESIONS).read_text()) == {}


def test_surfaces_are_measured_in_the_millimeters_of_the_voxels_and_read_back(measured, tmp_path):
    measured()
    result = tmp_path / "result"
    (tmp_path / "store" / "measure").mkdir()
    result.rename(tmp_path / "store" / "measure" / "key")
    found = measure.read(Store(tmp_path / "store"), Ref("measure", "key"))
    # the voxel at one end of the pancreas is missing: 2 mm from the next one, which the tolerance still takes
    assert found.surfaces["pancreas"].nsd == 1.0
    assert found.surfaces["pancreas"].hd95_mm == pytest.approx(1.7)  # of 0, 0, 0 and 2
    assert found.surfaces["tumor"] == SurfaceAgreement(1.0, 0.0)
    assert found.lesions["any"].voxel_mm3 == 12.0


def test_an_infinite_distance_and_an_undefined_one_come_back_as_they_were():
    for one in (SurfaceAgreement(None, None), SurfaceAgreement(0.0, math.inf), SurfaceAgreement(0.0, 9.5)):
        assert measure.surface_from_json(json.loads(json.dumps(measure.surface_to_json(one), allow_nan=False))) == one
