"""A run that searches coarse-to-fine says how many scans it searched as a whole."""

import json

import pytest

COARSE = ["inference.search=coarse-to-fine", "training.iterations=3"]


@pytest.mark.parametrize(("share", "whole"), [(0.000001, 8), (1.0, None)])
def test_scans_that_were_searched_as_a_whole_are_counted_under_the_tables(tiny, share, whole):
    result = tiny(sets=[*COARSE, f"inference.coarse.largest_share={share:f}"])
    record = json.loads((result.folder / "run.json").read_text())
    store = tiny.folder / "store" / "segment"
    stages = [json.loads(path.read_text()) for path in store.glob("*/stage.json")]
    assert len(stages) == sum(stage["stage"] == "segment" for stage in record["stages"]) == 8
    counted = sum("fallback" in stage["details"] for stage in stages)
    assert whole is None or counted == whole
    assert f"{counted} of 8 scans were searched as a whole" in (result.folder / "tables.md").read_text()
