"""Tests of pnetkit.report.figures.curves."""

import numpy as np

from pnetkit.evaluation.lesions import Lesion, LesionMatch
from pnetkit.report.figures.curves import (
    Scored,
    froc_figure,
    froc_points,
    losses_figure,
    roc_band,
    roc_figure,
    roc_points,
    smoothed,
)


def scored(scores, abnormal, name="fused"):
    called = tuple(bool(score >= 1) for score in scores)
    return Scored(name, tuple(map(float, scores)), tuple(abnormal), called, tuple(range(len(scores))))


def test_the_curve_steps_through_every_threshold():
    """Scores 3 (abnormal), 2 (normal), 1 (abnormal), 0 (normal)."""
    points = roc_points(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, False, True, False]))
    assert points == [(0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)]


def test_ties_are_one_slanted_step():
    assert roc_points(np.array([1.0, 1.0]), np.array([True, False])) == [(0.0, 0.0), (1.0, 1.0)]


def test_the_band_lies_about_the_curve_and_is_the_same_every_time():
    rng = np.random.default_rng(0)
    of = scored([*rng.normal(2, 1, 30).clip(0), *rng.normal(1, 1, 30).clip(0)], [True] * 30 + [False] * 30)
    low, high = roc_band(of)
    curve = np.array(roc_points(np.array(of.scores), np.array(of.abnormal)))
    for (place, least), (_, most) in zip(low, high, strict=True):
        at = curve[curve[:, 0] <= place + 1e-12, 1].max()
        assert least - 0.05 <= at <= most + 0.05
    assert roc_band(of) == (low, high)


def test_the_figure_says_area_and_operating_point():
    figure = roc_figure([scored([3, 0.5, 2, 0], [True, True, False, False])])
    assert "fused: area 0.750" in figure.says
    assert "operating point sensitivity 50.0 %, specificity 50.0 %" in figure.says
    assert "<title>Receiver operating characteristic</title>" in figure.svg


def test_cases_of_one_diagnosis_have_no_curve():
    assert roc_figure([scored([1, 2], [True, True])]) is None


def test_a_free_response_curve_counts_false_positives_a_scan():
    """Two scans, two lesions: one found with 5 voxels, one missed; false candidates of 9 and 2 voxels."""
    matches = [
        LesionMatch((Lesion(10, 5.0, 5.0, 0.5), Lesion(10, 5.0, 0.0, 0.0)), (9.0,)),
        LesionMatch((), (2.0,)),
    ]
    assert froc_points(matches) == [(0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (1.0, 0.5)]
    assert "50.0 % of lesions at 1.00 false positives a scan" in froc_figure({"venous": matches}).says
    assert froc_figure({"venous": [LesionMatch((), ())]}) is None


def test_losses_are_means_of_neighbors():
    assert smoothed([1.0, 3.0, 5.0, 7.0], points=2) == [2.0, 6.0]
    assert "fold 0 ended at 6" in losses_figure("venous", {"fold 0": [1.0, 6.0]}, 100).says
    assert losses_figure("venous", {"fold 0": []}, 100) is None


def test_a_name_with_markup_is_text_in_a_figure():
    figure = roc_figure([scored([3, 0.5], [True, False], name="<script>")])
    assert "<script>" not in figure.svg
    assert "&lt;script&gt;" in figure.svg
