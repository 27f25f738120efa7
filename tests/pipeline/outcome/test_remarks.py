"""What is said under the tables."""

from pnetkit.pipeline.outcome.remarks import ignored_in_words, in_part, of_search


def segmented(*fallbacks):
    return [{"details": {"windows": 1} | ({"fallback": "too much"} if fell else {})} for fell in fallbacks]


def measured(*shares):
    return [{"details": {"region_recall": share}} for share in shares]


def test_the_mean_and_the_worst_share_of_the_regions_are_said_with_their_number():
    first, second = of_search(segmented(False, True, False), measured(1.0, None, 0.5))
    assert first == "Coarse-to-fine search; 1 of 3 scans were searched as a whole."
    assert "held 75.0% of the reference's pancreas set, 50.0% at worst, in the 2 scans" in second


def test_nothing_is_said_of_regions_where_none_was_measured():
    assert len(of_search(segmented(True), measured(None))) == 1
    assert len(of_search(segmented(False), [{"details": {}}])) == 1


def test_scans_without_a_label_of_a_class_and_ignored_voxels_are_counted():
    (said,) = in_part([None, ("pancreas",), ("pancreas", "tumor")])
    assert said.endswith("in no loss and no figure of it: 1 of 3 of tumor, 2 of 3 of duct.")
    assert in_part([None, None]) == []
    (said,) = ignored_in_words([{"details": {"ignored_voxels": 1200}}, {"details": {}}])
    assert said.startswith("1,200 voxels in 1 of 2 reference labels are to be ignored")
    assert ignored_in_words([{"details": {}}]) == []
