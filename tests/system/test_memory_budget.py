"""A run within a budget: what is predicted is what is measured, and results stay the same."""

import json

import pytest

from pnetkit.errors import RecipeError
from tests.system.conftest import results

CLOSE = 2.5
"""How far above what was measured a prediction may lie."""


@pytest.mark.slow
def test_what_workers_held_was_predicted_and_results_are_those_without_a_budget(finished, tiny):
    sets = ["training.patch_size=[32, 32, 24]", "training.batch_size=4", "training.iterations=2", "phases=[venous]"]
    result = tiny(workers=2, sets=sets, ram_bytes=12_000_000_000)  # this process may hold much of other tests
    record = json.loads((result.folder / "run.json").read_text())
    predicted, measured = record["memory"]["predicted_mib"], record["memory"]["measured_mib"]
    assert record["workers"] == 2
    assert record["memory"]["exceeded"] == []
    assert "train" in measured  # others are there if they raised a worker's peak, which small scans may not
    assert measured["train"] <= predicted["train"] <= CLOSE * measured["train"]
    assert max(measured.values()) <= max(predicted.values()) <= CLOSE * max(measured.values())
    same = tiny("again", store="another", ram_bytes=6_000_000_000, sets=["phases=[venous]"])
    expected = {name: data for name, data in results(finished[1].folder).items() if name.endswith("_venous.nii.gz")}
    assert len(expected) == 4
    assert expected.items() <= results(same.folder).items()


@pytest.mark.slow
def test_a_worker_that_only_segments_holds_no_more_than_was_predicted_for_that(warm):
    window = ["inference.window_size=[32, 32, 16]", "inference.batch_size=8"]
    result = warm("second", workers=1, sets=window, ram_bytes=6_000_000_000)  # the trainings are there
    memory = json.loads((result.folder / "run.json").read_text())["memory"]
    predicted, measured = memory["predicted_mib"]["segment"], memory["measured_mib"]["segment"]
    assert "train" not in memory["measured_mib"]
    assert measured <= predicted <= CLOSE * measured


def test_a_run_that_does_not_fit_makes_nothing(tiny):
    with pytest.raises(RecipeError, match="does not fit the memory"):
        tiny(ram_bytes=10_000_000)
    assert not (tiny.folder / "out").exists()
    assert not (tiny.folder / "store").exists()
