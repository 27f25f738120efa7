"""Tests of pnetkit.evaluation.surfaces, by hand, and against MONAI's and surface-distance's numbers."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pnetkit.evaluation.surfaces import SurfaceAgreement, summarize_surfaces, surface_agreement

SPACING = (0.7, 0.8, 2.5)
MASKS = hnp.arrays(bool, (7, 6, 5), elements=st.booleans(), fill=st.just(False))


def box(shape, start, stop):
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    return mask


def of_monai(predicted, reference, tolerance_mm=2.0):
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice  # slow to import

    one, two = (torch.from_numpy(mask)[None, None] for mask in (predicted, reference))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of empty masks
        nsd = compute_surface_dice(one, two, [tolerance_mm], include_background=True, spacing=SPACING)
        far = compute_hausdorff_distance(one, two, include_background=True, percentile=95, spacing=SPACING)
    return float(nsd), float(far)


@pytest.mark.slow
@settings(max_examples=40)
@given(MASKS, MASKS)
def test_both_figures_are_monai_s_on_anisotropic_voxels(predicted, reference):
    assume(predicted.any() and reference.any())
    found = surface_agreement(predicted, reference, SPACING)
    assert (found.nsd, found.hd95_mm) == pytest.approx(of_monai(predicted, reference), abs=1e-5)


def test_one_voxel_against_another_two_slices_on_lies_as_far_as_its_millimeters():
    one, two = box((5, 5, 5), (2, 2, 1), (3, 3, 2)), box((5, 5, 5), (2, 2, 3), (3, 3, 4))
    assert surface_agreement(one, two, SPACING) == SurfaceAgreement(0.0, 5.0)
    assert surface_agreement(one, two, SPACING, tolerance_mm=5.0).nsd == 1.0


def test_a_mask_that_touches_the_border_has_a_surface_there():
    whole = np.ones((4, 4, 4), dtype=bool)
    assert surface_agreement(whole, whole, SPACING) == SurfaceAgreement(1.0, 0.0)
    inner = box((4, 4, 4), (1, 1, 1), (3, 3, 3))
    found = surface_agreement(whole, inner, (1.0, 1.0, 1.0), tolerance_mm=1.0)
    # of 56 voxels around, 24 lie across a face of the inner 8; these 8 are all surface
    assert found.nsd == pytest.approx((24 + 8) / (56 + 8))


def test_two_empty_masks_are_undefined_and_one_is_unbounded():
    empty, full = np.zeros((3, 3, 3), dtype=bool), box((3, 3, 3), (1, 1, 1), (2, 2, 2))
    assert surface_agreement(empty, empty, SPACING) == SurfaceAgreement(None, None)
    assert surface_agreement(full, empty, SPACING) == SurfaceAgreement(0.0, math.inf)
    assert surface_agreement(empty, full, SPACING) == SurfaceAgreement(0.0, math.inf)


@pytest.mark.slow
def test_monai_says_the_same_of_one_voxel_and_has_other_words_for_empty_masks():
    one, two = box((5, 5, 5), (2, 2, 1), (3, 3, 2)), box((5, 5, 5), (2, 2, 3), (3, 3, 4))
    assert of_monai(one, two, 5.0) == (1.0, 5.0)
    empty, full = np.zeros((3, 3, 3), dtype=bool), box((3, 3, 3), (1, 1, 1), (2, 2, 2))
    assert of_monai(full, empty) == pytest.approx((0.0, math.nan), nan_ok=True)  # a percentile of infinite ones is NaN
    assert math.isnan(of_monai(empty, empty)[0])  # MONAI's word for undefined


def test_surface_distance_agrees_on_a_shift_and_weighs_by_area_where_we_count_voxels():
    # its surface runs between voxels, in pieces weighed by their area: the conventions differ, docs/report.md
    surface_distance = pytest.importorskip("surface_distance")
    one, two = box((20, 12, 12), (3, 3, 3), (13, 9, 9)), box((20, 12, 12), (6, 3, 3), (16, 9, 9))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses names that scipy has deprecated
        theirs = surface_distance.compute_surface_distances(two, one, SPACING)
    ours = surface_agreement(one, two, SPACING)
    assert ours.hd95_mm == pytest.approx(surface_distance.compute_robust_hausdorff(theirs, 95), abs=1e-6)
    assert ours.hd95_mm == pytest.approx(3 * 0.7)
    assert (ours.nsd, surface_distance.compute_surface_dice_at_tolerance(theirs, 2.0)) == pytest.approx(
        (0.845, 0.783), abs=1e-3
    )


def test_masks_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"differ in shape.*\(2, 2, 2\)"):
        surface_agreement(np.ones((2, 2, 2), bool), np.ones((2, 2, 3), bool), SPACING)


def test_a_summary_counts_what_has_no_distance_and_takes_the_median():
    scans = [
        SurfaceAgreement(1.0, 1.0),
        SurfaceAgreement(0.5, 3.0),
        SurfaceAgreement(0.0, math.inf),
        SurfaceAgreement(None, None),
    ]
    found = summarize_surfaces(scans)
    assert (found.nsd, found.hd95_mm) == (0.5, 3.0)
    assert (found.cases, found.unbounded, found.undefined) == (3, 1, 1)
    assert summarize_surfaces([scans[2]]).hd95_mm is None
