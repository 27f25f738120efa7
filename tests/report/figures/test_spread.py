"""Tests of pnetkit.report.figures.spread."""

from pnetkit.report.figures.spread import (
    Interval,
    boxes_figure,
    calibration_bins,
    forest_figure,
    rate_axis,
    scores_figure,
    share_axis,
)


def test_boxes_say_median_and_quartiles():
    figure = boxes_figure("Dice", {"tumor": [0.0, 0.25, 0.5, 0.75, 1.0], "duct": []}, share_axis("Dice"), {})
    assert figure.says == "tumor: median 0.50, quartiles 0.25 and 0.75, 5 scans."
    assert figure.svg.count('class="grain') == 5
    assert boxes_figure("Dice", {"duct": []}, share_axis("Dice"), {}) is None


def test_of_many_values_those_in_the_box_are_not_drawn():
    figure = boxes_figure("Dice", {"tumor": [n / 999 for n in range(1000)]}, share_axis("Dice"), {})
    assert 490 <= figure.svg.count('class="grain') <= 510


def test_scores_are_counted_from_the_threshold_on():
    figure = scores_figure({"abnormal": [0.0, 1.0, 7.0], "normal": [0.4]}, {})
    assert figure.says == ("abnormal: 2 of 3 at or above the threshold; normal: 0 of 1 at or above the threshold.")


def test_calibration_counts_abnormal_cases_in_classes_of_score():
    bins = calibration_bins([0.1, 0.2, 1.0, 9.0], [True, False, True, True])
    assert bins == [("0 to 0.25", 1, 2), ("1 to 2", 1, 1), ("4 and more", 1, 1)]


def test_a_forest_leaves_out_what_is_not_known():
    rows = [Interval("fold 0", 0.5, 0.2, 0.8, "1/2"), Interval("fold 1", None, None, None, "0/0")]
    figure = forest_figure("By fold", rows, rate_axis("%"))
    assert figure.says == "fold 0 1/2."
    assert forest_figure("By fold", rows[1:], rate_axis("%")) is None
