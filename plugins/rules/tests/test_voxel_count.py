"""The voxel-count rule, at its thresholds."""

import numpy as np
import pytest
from pnetkit_rules.voxel_count import NO_PANCREAS, VoxelCount

from pnetkit.types import Evidence, Grid, Segmentation


def evidence(*, pancreas=0, tumor=0, duct=0, spacing=1.0):
    labels = np.zeros(2000, np.uint8)
    labels[:pancreas] = 1
    labels[pancreas : pancreas + tumor] = 2
    labels[pancreas + tumor : pancreas + tumor + duct] = 3
    labels = labels.reshape(20, 10, 10)
    grid = Grid(labels.shape, np.diag([spacing, spacing, spacing, 1.0]))
    return Evidence("P1", "venous", Segmentation(labels, grid))


@pytest.mark.parametrize(
    ("tumor", "duct", "abnormal"),
    [(0, 0, False), (39, 499, False), (40, 0, True), (0, 500, True), (40, 500, True)],
)
def test_40_tumor_voxels_or_500_duct_voxels_are_abnormal(tumor, duct, abnormal):
    finding = VoxelCount().classify(evidence(pancreas=100, tumor=tumor, duct=duct))
    assert finding.abnormal is abnormal
    assert finding.score == max(tumor / 40, duct / 500)
    assert finding.threshold == 1
    assert finding.measurements["tumor_voxels"] == tumor
    assert finding.measurements["duct_voxels"] == duct


def test_either_rule_can_be_switched_off_but_not_both():
    seen = evidence(tumor=100, duct=600)
    assert VoxelCount(duct_voxels=None).classify(seen).score == 100 / 40
    assert VoxelCount(tumor_voxels=None).classify(seen).score == 600 / 500
    with pytest.raises(ValueError, match="set one"):
        VoxelCount(tumor_voxels=None, duct_voxels=None)


def test_thresholds_in_mm3_scale_with_the_voxel():
    rule = VoxelCount(tumor_mm3=320.0)
    assert not rule.classify(evidence(tumor=39, spacing=2.0)).abnormal
    assert rule.classify(evidence(tumor=40, spacing=2.0)).abnormal
    assert rule.classify(evidence(tumor=40, spacing=2.0)).measurements["tumor_mm3"] == 320
    assert not rule.classify(evidence(tumor=40, spacing=1.0)).abnormal


def test_a_segmentation_without_foreground_is_normal_and_flagged():
    finding = VoxelCount().classify(evidence())
    assert not finding.abnormal
    assert finding.flags == (NO_PANCREAS,)
    assert VoxelCount().classify(evidence(pancreas=1)).flags == ()
