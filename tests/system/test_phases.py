"""Phases in a run: one that a patient lacks, and two that one network sees stacked."""

import nibabel as nib
import pytest

from pnetkit.errors import CohortError
from tests.system.conftest import results
from tests.system.written import edit, rows, stages

ONE_STEP = "training.iterations=1"


@pytest.mark.slow
def test_a_missing_phase_is_decided_on_the_other_and_named(cohort, tiny):
    def drop(line):
        if line["case_id"] == "P001":
            line["venous_image"] = line["venous_label"] = ""

    edit(cohort, drop)
    result = tiny(table=cohort, sets=[ONE_STEP])
    row = rows(result.folder)[1]
    assert (row["status"], row["missing"], row["venous_score"]) == ("ok", "venous", "")
    assert row["called_abnormal"] == row["arterial_called_abnormal"]
    assert "Without a scan: 1 venous." in (result.folder / "tables.md").read_text()
    refused = tiny("refused", table=cohort, sets=[ONE_STEP, "fusion.params.missing=refuse"])
    assert rows(refused.folder)[1]["status"] == "failed"
    assert "lacks venous" in rows(refused.folder)[1]["reason"]


@pytest.mark.slow
def test_one_network_can_see_both_phases_stacked(finished, tiny):
    stacked = "inputs.both={phases: [venous, arterial], resample: true}"
    result = tiny(sets=[ONE_STEP, stacked])
    assert {node["label"] for node in stages(result.folder) if node["stage"] == "train"} == {
        "both fold 0",
        "both fold 1",
    }
    decided = rows(result.folder)
    assert {row["status"] for row in decided} == {"ok"}
    assert "arterial_score" not in decided[0]
    for row in decided:
        found = nib.load(result.folder / "segmentations" / f"{row['case_id']}_both.nii.gz")
        venous = nib.load(finished[1].folder / "segmentations" / f"{row['case_id']}_venous.nii.gz")
        assert (found.shape, found.affine.tolist()) == (venous.shape, venous.affine.tolist())
    again = tiny("again", store="other", sets=[ONE_STEP, stacked], workers=1)
    assert results(again.folder) == results(result.folder)


@pytest.mark.slow
def test_a_stack_that_lacks_a_phase_is_missing_and_the_order_of_its_channels_matters(cohort, tiny):
    edit(cohort, lambda line: line.update(arterial_image="", arterial_label="") if line["case_id"] == "P001" else None)
    result = tiny(table=cohort, sets=[ONE_STEP, "inputs.both={phases: [venous, arterial], resample: true}"])
    assert [row["status"] for row in rows(result.folder)] == ["ok", "failed", "ok", "ok"]
    assert "lacks both" in rows(result.folder)[1]["reason"]
    keys = {node["key"] for node in stages(result.folder)}
    turned = tiny("turned", table=cohort, sets=[ONE_STEP, "inputs.both={phases: [arterial, venous], resample: true}"])
    assert not keys & {node["key"] for node in stages(turned.folder)}


@pytest.mark.slow
def test_phases_on_different_grids_are_not_stacked_unless_asked_for(cohort, tiny):
    with pytest.raises(CohortError) as caught:
        tiny(table=cohort, sets=["inputs.both={phases: [venous, arterial]}"])
    assert [fault.where for fault in caught.value.faults] == [f"case P00{i}" for i in range(4)]
    assert "arterial does not lie on the grid of venous" in str(caught.value.faults[0])
