"""Tests of pnetkit.evaluation.lesions, against picai_eval and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from pnetkit.evaluation.lesions import (
    Lesion,
    LesionMatch,
    froc_sensitivity,
    lesion_f1,
    match_lesions,
    summarize_lesions,
)
from pnetkit.evaluation.roc import auc

MASKS = hnp.arrays(bool, (6, 5, 4), elements=st.booleans() | st.just(False), fill=st.just(False))


def detection_map(predicted):
    """The prediction as picai_eval takes it: each component with its number of voxels as confidence."""
    components, count = ndimage.label(predicted, np.ones((3, 3, 3)))
    sizes = np.bincount(components.reshape(-1), minlength=count + 1).astype(np.float32)
    sizes[0] = 0
    return sizes[components]


def match(predicted, reference, least_iou=0.1):
    return match_lesions(predicted, reference, least_iou=least_iou, voxel_mm3=1.0)


@pytest.mark.slow
@settings(max_examples=50)
@given(MASKS, MASKS)
def test_lesions_and_false_positives_are_those_of_picai_eval(predicted, reference):
    from picai_eval.eval import evaluate_case  # slow to import

    expected, *_ = evaluate_case(detection_map(predicted), reference.astype(np.int32))
    found = match(predicted, reference)
    ours = [(1, lesion.confidence, lesion.iou) for lesion in found.lesions]
    ours += [(0, confidence, 0.0) for confidence in found.false_positives]
    theirs = sorted((int(kind), float(confidence), float(overlap)) for kind, confidence, overlap in expected)
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(np.array(sorted(ours)), np.array(theirs), atol=1e-6)


@pytest.mark.slow
@settings(max_examples=15)
@given(st.lists(st.tuples(MASKS, MASKS), min_size=1, max_size=4))
def test_the_froc_is_picai_eval_s_at_its_own_false_positive_rates(scans):
    from picai_eval.eval import evaluate_case  # slow to import
    from picai_eval.metrics import Metrics

    matches = [match(predicted, reference) for predicted, reference in scans]
    if not any(found.lesions for found in matches):
        assert froc_sensitivity(matches, 1.0) is None
        return
    results = {str(i): evaluate_case(detection_map(p), r.astype(np.int32))[0] for i, (p, r) in enumerate(scans)}
    metrics = Metrics(
        lesion_results=results, case_target=dict.fromkeys(results, 1), case_pred=dict.fromkeys(results, 1.0)
    )
    # the last point is its own extension to infinity, and stands in the place of the lowest threshold
    for rate, sensitivity in zip(metrics.lesion_FPR[:-1], metrics.lesion_TPR[:-1], strict=True):
        assert froc_sensitivity(matches, float(rate)) >= sensitivity - 1e-6


def row(*spans, length=40):
    mask = np.zeros((length, 1, 1), bool)
    for start, stop in spans:
        mask[start:stop] = True
    return mask


def test_any_common_voxel_can_be_enough():
    predicted, reference = row((0, 20)), row((19, 21))
    assert match(predicted, reference).lesions[0].confidence == 0
    assert match(predicted, reference).false_positives == (20,)
    touched = match(predicted, reference, least_iou=0.0)
    assert touched.lesions[0].confidence == 20
    assert touched.false_positives == ()


def test_a_second_piece_of_a_found_lesion_is_no_false_positive():
    found = match(row((0, 4), (6, 10)), row((0, 10)))
    assert [lesion.confidence for lesion in found.lesions] == [4]
    assert found.false_positives == ()


def test_diameters_are_those_of_spheres_of_the_same_volume():
    reference = np.ones((10, 10, 10), bool)
    (lesion,) = match_lesions(reference, reference, least_iou=0.1, voxel_mm3=math.pi / 6).lesions
    assert lesion.diameter_mm == pytest.approx(10)
    assert lesion.iou == 1


def lesion(diameter, confidence):
    return Lesion(1, diameter, confidence, 0.5 if confidence else 0.0)


def test_sensitivity_goes_by_size_and_false_positives_by_scan():
    matches = [
        LesionMatch((lesion(5, 0), lesion(10, 30)), (8.0, 40.0)),
        LesionMatch((lesion(19.9, 20), lesion(20, 50)), ()),
        LesionMatch((), (1.0,)),
        LesionMatch((), ()),
    ]
    figures = summarize_lesions(matches)
    assert (figures.detected.successes, figures.detected.total) == (3, 4)
    assert [(rate.successes, rate.total) for rate in figures.by_size] == [(0, 1), (2, 2), (1, 1)]
    assert figures.false_positives_per_scan == 3 / 4
    # no false positive: above 40; one of four scans: above 8; two of four: above 1
    assert froc_sensitivity(matches, 0) == 1 / 4
    assert dict(figures.froc) == {0.25: 3 / 4, 0.5: 3 / 4, 1.0: 3 / 4, 2.0: 3 / 4}


# The ten test cases that picai_eval publishes: (confidence, IoU) of each lesion, confidences of the false positives,
# the case's prediction and target; and the figures that it publishes for them.
PUBLISHED = [
    ([], [], 0.0, 0),
    ([(0, 0)], [], 0.0, 1),
    ([], [1.0], 1.0, 0),
    ([(0, 0)], [1.0], 1.0, 1),
    ([(1.0, 0.33333333342222227)], [], 1.0, 1),
    ([(1.0, 0.21951219518540552)], [2.0], 2.0, 1),
    ([(1.0, 0.33333333340740745)], [], 2.0, 1),
    ([(1.0, 0.33333333337037035), (0, 0)], [], 1.0, 1),
    ([(1.0, 0.4545454545785123), (0, 0)], [], 1.0, 1),
    ([(0, 0)], [1.0], 1.0, 1),
]
PUBLISHED_LESION_TPR = {0.1: 0.0, 0.4: 0.5}
PUBLISHED_AUROC = 0.75


def test_figures_of_picai_eval_s_published_cases_are_the_published_ones():
    matches = [
        LesionMatch(tuple(Lesion(1, 5.0, confidence, iou) for confidence, iou in lesions), tuple(wrong))
        for lesions, wrong, _, _ in PUBLISHED
    ]
    for rate, sensitivity in PUBLISHED_LESION_TPR.items():
        assert froc_sensitivity(matches, rate) == pytest.approx(sensitivity)
    figures = summarize_lesions(matches)
    assert (figures.detected.successes, figures.detected.total) == (5, 10)
    assert figures.false_positives_per_scan == pytest.approx(max(PUBLISHED_LESION_TPR))
    abnormal = [bool(target) for *_, target in PUBLISHED]
    assert auc([score for *_, score, _ in PUBLISHED], abnormal) == pytest.approx(PUBLISHED_AUROC)


def test_f1_counts_pieces_of_a_minimum_volume_alone():
    large, small = 100.0, 10.0  # mm³ at voxels of 1 mm³; the minimum is 65.4
    lesion = lambda voxels, confidence: Lesion(int(voxels), 1.0, confidence, 0.5 * (confidence > 0))  # noqa: E731
    scans = [
        LesionMatch((lesion(large, large), lesion(large, 0.0)), (large, small), 1.0),  # found, missed, wrong, ignored
        LesionMatch((lesion(small, large), lesion(small, 0.0)), (), 1.0),  # too small to be found or missed
        LesionMatch((lesion(large, small),), (), 1.0),  # what marks it is too small: missed
        LesionMatch((), (), None),
    ]
    found = lesion_f1(scans)
    assert (found.found, found.missed, found.wrong) == (1, 2, 1)
    assert found.value == pytest.approx(2 / 5)
    assert summarize_lesions(scans).f1 == found


def test_a_minimum_is_a_volume_and_not_a_number_of_voxels():
    match = LesionMatch((Lesion(33, 5.0, 33.0, 1.0),), (), 2.0)
    assert lesion_f1([match]).found == 1
    assert lesion_f1([LesionMatch(match.lesions, (), 1.9)]).found == 0


def test_f1_of_nothing_is_none_and_so_is_that_of_unknown_volumes():
    assert lesion_f1([LesionMatch((), (), 1.0)]).value is None
    assert lesion_f1([LesionMatch((), (5.0,))]) is None
    assert match(row((2, 9)), row((2, 9))).voxel_mm3 == 1.0
