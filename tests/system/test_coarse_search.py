"""A run that searches coarse-to-fine says how many scans it searched as a whole, and what the others' regions held."""

import json
from statistics import fmean

import numpy as np
import pytest

from pnetkit.imaging.nifti import read_labels
from pnetkit.store.store import Store

pytestmark = pytest.mark.slow

COARSE = "inference.search=coarse-to-fine"
ONE_PHASE = 'phases=["venous"]'


@pytest.mark.parametrize(("share", "whole"), [(0.000001, 4), (1.0, None)])
def test_scans_that_were_searched_as_a_whole_are_counted_under_the_tables(warm, share, whole):
    result = warm(sets=[COARSE, ONE_PHASE, f"inference.coarse.largest_share={share:f}"])
    record = json.loads((result.folder / "run.json").read_text())
    store = Store(warm.folder / "store")
    stages = [store.record("segment", node["key"]) for node in record["stages"] if node["stage"] == "segment"]
    assert len(stages) == 4
    counted = sum("fallback" in stage["details"] for stage in stages)
    assert whole is None or counted == whole
    assert f"{counted} of 4 scans were searched as a whole" in (result.folder / "tables.md").read_text()


def test_what_the_regions_hold_of_the_reference_is_said_under_the_tables(warm):
    sets = [COARSE, ONE_PHASE, "inference.coarse.largest_share=1.0", "inference.coarse.margin_voxels=2"]
    result = warm(sets=sets)
    shares = []
    for region in (warm.folder / "store" / "segment").glob("*/region.nii.gz"):
        name = json.loads((region.parent / "stage.json").read_text())["label"].replace(" ", "_")
        (label,) = (warm.folder / "store").rglob(f"labels/{name}.nii.gz")
        organ = read_labels(label)[0] > 0
        shares.append(np.count_nonzero(read_labels(region)[0][organ]) / organ.sum())
    tables = (result.folder / "tables.md").read_text()
    if not shares:  # on a processor where these few steps teach the network nothing
        assert "The region held" not in tables
        return
    assert f"The region held {fmean(shares):.1%} of the reference's pancreas set, {min(shares):.1%} at worst" in tables
    assert f"in the {len(shares)} scans" in tables
