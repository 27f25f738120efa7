"""Tests of pnetkit.report.page.missed."""

import numpy as np

from pnetkit.report.page.missed import Traced, shortfall, why_alarmed, why_missed


def labels(*values):
    return np.array(values, dtype=np.uint8)


TRUTH = labels(1, 1, 2, 2, 2, 2, 1, 0)
"""A tumor of four voxels in a pancreas."""


def sentence(said, rules=(), region=None, needed=()):
    traced = Traced(TRUTH, said, tuple(rules), region)
    miss = why_missed(traced, needed=needed)
    return miss.kind, " ".join(miss.sentences)


def test_a_tumor_without_a_voxel_labeled_so_was_not_segmented_and_what_it_was_called_is_said():
    kind, words = sentence(labels(1, 1, 1, 1, 1, 0, 1, 0))
    assert kind == "not segmented"
    assert words.startswith("Not segmented: none of the tumor's 4 voxels was labeled tumor; the network called them")
    assert words.endswith("pancreas (75 %) and background (25 %).")


def test_a_tumor_that_a_rule_took_away_names_the_rule_and_not_the_one_before_it():
    said, kept, gone = labels(1, 1, 2, 2, 0, 0, 1, 0), labels(1, 1, 2, 2, 0, 0, 1, 0), labels(1, 1, 0, 0, 0, 0, 1, 0)
    kind, words = sentence(said, [("fill-holes", kept), ("minimum-volume", gone)])
    assert kind == "removed by a rule"
    assert words.startswith("Segmented and removed: 2 of the tumor's 4 voxels were labeled tumor, and")
    assert words.endswith("and the rule minimum-volume removed them.")


def test_a_tumor_of_which_too_little_is_left_is_below_the_threshold_and_by_how_much_is_said():
    said, left = labels(1, 1, 2, 2, 2, 0, 1, 0), labels(1, 1, 2, 0, 0, 0, 1, 0)
    needed = shortfall({"tumor_voxels": 1.0, "duct_voxels": 7.0}, {"tumor_voxels": 3.0, "duct_voxels": 5.0})
    assert needed == ("Tumor: 1 voxels of 3 needed, 2 too few.", "Duct: 7 voxels of 5 needed.")
    kind, words = sentence(said, [("components", left)], needed=needed)
    assert kind == "below the threshold"
    assert words.startswith("Below the threshold: 1 of the tumor's 4 voxels was labeled tumor")
    assert "Tumor: 1 voxels of 3 needed, 2 too few." in words
    assert "The rules removed 2 more of them (the rule components)." in words


def test_a_tumor_where_a_coarse_search_did_not_look_was_outside_of_it():
    region = labels(1, 1, 0, 0, 0, 0, 1, 0)
    kind, words = sentence(labels(1, 1, 0, 0, 0, 0, 1, 0), region=region)
    assert (kind, words[:34]) == ("outside the search", "Outside the search: none of the tu")


def test_a_tumor_that_a_coarse_search_cut_is_said_to_be():
    region = labels(1, 1, 1, 0, 0, 0, 1, 0)
    kind, words = sentence(labels(1, 1, 1, 0, 0, 0, 1, 0), region=region)
    assert kind == "not segmented"
    assert words.endswith("Of these, the coarse search let 1 through to a closer look.")


def test_where_the_reference_has_no_tumor_its_duct_is_followed():
    traced = Traced(labels(1, 3, 3, 0), labels(1, 1, 1, 0), ())
    assert why_missed(traced).sentences[0].startswith("Not segmented: none of the duct's 2 voxels was labeled duct")


def test_a_reference_without_tumor_and_duct_has_nothing_to_find():
    assert why_missed(Traced(labels(1, 1), labels(1, 0), ())).kind == "nothing to find"


def test_a_false_alarm_says_how_much_of_it_lies_in_the_reference_pancreas():
    assert why_alarmed(labels(1, 1, 0, 0), labels(2, 1, 3, 2)) == (
        "False alarm: 3 voxels were labeled tumor or duct, 1 of them inside the reference's pancreas, 2 outside it."
    )
    assert why_alarmed(labels(1, 0), labels(1, 0)) == ""
