"""Real CTs with manual or machine-made pancreas labels: training, segmentation, rules, report; slabs of 11 slices.

Needs a folder with AMOS slabs and TotalSegmentator's test files (PNETKIT_REAL_CT, or `shared/data` beside the
repository); without it these tests are skipped.
"""

import csv
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pnetkit.errors import CohortError

REAL = Path(os.environ.get("PNETKIT_REAL_CT", Path(__file__).parents[3] / "shared" / "data"))
AMOS, TOTAL = REAL / "amos_slabs", REAL / "totalsegmentator_tests"
SCANS = {
    "amos1": (AMOS / "amos_0001_slab_ct.nii.gz", AMOS / "amos_0001_slab_labels.nii.gz"),
    "amos13": (AMOS / "amos_0013_slab_ct.nii.gz", AMOS / "amos_0013_slab_labels.nii.gz"),
    "total": (TOTAL / "example_ct_sm.nii.gz", TOTAL / "example_seg.nii.gz"),
}
pytestmark = pytest.mark.skipif(
    not all(p.is_file() for pair in SCANS.values() for p in pair), reason="no real CTs here"
)

AMOS_PANCREAS, TOTAL_PANCREAS = 10, 7
SETS = (
    "phases=[scan]", "cohort.folds=3", f"cohort.labels={{{AMOS_PANCREAS}: 1}}", "cohort.unmapped_labels=background",
    "training.iterations=1", "inference.window_size=[64, 64, 16]", "inference.stride=[64, 64, 16]",
    "postprocess.0.params.gap_voxels=27",
)  # fmt: skip


MARGIN = 32
"""Voxels beside the pancreas that are kept: a whole slab takes ten times as long, and is no other format."""


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """What lies around the pancreas of the three scans, as files, and as tables name them; values as AMOS has them."""
    folder, made = tmp_path_factory.mktemp("scans"), {}
    for name, paths in SCANS.items():
        image, label = map(nib.load, paths)
        pancreas = np.asarray(label.dataobj) == (TOTAL_PANCREAS if name == "total" else AMOS_PANCREAS)
        low, high = (edge(np.argwhere(pancreas), axis=0)[:2] for edge in (np.min, np.max))
        around = tuple(slice(max(0, a - MARGIN), b + MARGIN) for a, b in zip(low, high, strict=True))
        if name == "total":  # its values are written as AMOS's, so that one mapping serves
            label = nib.Nifti1Image(np.where(pancreas, AMOS_PANCREAS, 0).astype(np.uint8), label.affine)
        made[name] = folder / f"{name}.nii.gz", folder / f"{name}_labels.nii.gz"
        for of, path in zip((image, label), made[name], strict=True):
            nib.save(of.slicer[around], path)
    return made


@pytest.fixture(scope="module")
def cohort(scans, tmp_path_factory):
    """A table of the three."""
    table = tmp_path_factory.mktemp("cohort") / "cohort.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case_id", "patient_id", "abnormal", "scan_image", "scan_label"])
        writer.writerows([name, name, "", *paths] for name, paths in scans.items())
    return table


def test_real_slabs_run_from_training_to_report_and_overlay_their_scans(cohort, scans, tiny):
    result = tiny(table=cohort, sets=SETS)
    rows = list(csv.DictReader((result.folder / "cases.csv").read_text().splitlines()))
    assert [(row["case_id"], row["status"]) for row in rows] == [(name, "ok") for name in sorted(SCANS)]
    assert all(0 <= float(row["scan_pancreas_dice"]) <= 1 for row in rows)
    assert {row["scan_tumor_dice"] for row in rows} <= {"undefined", "0.0"}  # no tumor is marked in any of them
    for name, (image_path, _) in scans.items():
        image, found = nib.load(image_path), nib.load(result.folder / "segmentations" / f"{name}_scan.nii.gz")
        assert found.shape == image.shape
        assert np.array_equal(found.affine, image.affine)
        assert nib.aff2axcodes(found.affine) == nib.aff2axcodes(image.affine)
    text = (result.folder / "tables.md").read_text()
    assert "Cohort: cohort.csv of" in text
    assert "3 of unknown diagnosis (in no rate)" in text


def test_labels_that_no_mapping_names_are_faults(cohort, tiny):
    with pytest.raises(CohortError) as caught:
        tiny(table=cohort, sets=[s for s in SETS if "labels" not in s])
    assert len(caught.value.faults) == 3
    assert "amos13" in str(caught.value)


THRESHOLD = '''
import torch
from torch import nn
from pnetkit.interfaces import BackboneOutput
from pnetkit.types import BackboneSpec

class Bright(nn.Module):
    """Calls pancreas what is brighter than 100 HU, once it was trained on nothing."""

    def __init__(self, *, in_channels: int = 1, num_classes: int = 4, hu: float = 100.0) -> None:
        super().__init__()
        self.spec = BackboneSpec(in_channels, num_classes, (1, 1, 1))
        self.hu = hu
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        bright = (x > self.hu).float()
        nothing = torch.zeros_like(bright) + self.weight * 0
        return BackboneOutput(torch.cat([1 - bright, bright, nothing - 1, nothing - 1], dim=1))
'''


def test_each_voxel_of_a_result_lies_on_the_voxel_of_the_file_that_it_came_from(cohort, scans, tiny, install):
    install("acme-bright", "acme_bright", THRESHOLD, backbone={"bright": "acme_bright:Bright"})
    plain = ["backbone.plugin=bright", "intensity.normalization=none", "postprocess=[]", "inference.body=none"]
    result = tiny(table=cohort, sets=[*SETS, *plain])
    for name, (image_path, _) in scans.items():
        hu = np.asarray(nib.load(image_path).dataobj, dtype=np.float32)
        found = np.asarray(nib.load(result.folder / "segmentations" / f"{name}_scan.nii.gz").dataobj)
        assert np.array_equal(found == 1, hu > 100)
        assert (found == 1).any()


def test_the_body_of_a_real_ct_holds_every_labeled_organ_and_leaves_air_out():
    from pnetkit.imaging.body import body_mask
    from pnetkit.imaging.nifti import read_scan

    shares = {}
    for name, (image_path, label_path) in SCANS.items():
        mask = body_mask(read_scan(image_path).hu)
        image, labels = nib.load(image_path), np.asarray(nib.load(label_path).dataobj)
        on_file = nib.as_closest_canonical(nib.Nifti1Image(labels, image.affine))
        assert mask[np.asarray(on_file.dataobj) > 0].all(), name
        shares[name] = mask.mean()
    assert all(0.2 < share < 0.9 for share in shares.values()), shares
