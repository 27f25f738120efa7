"""What a figure shows of runs: each its own labels, at one place; and what it says of what is not there."""

from pathlib import Path

import numpy as np
import pytest

from pnetkit.errors import RunError
from pnetkit.imaging.boxes import Box
from pnetkit.pipeline.outcome import panels
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.pipeline.outcome.pages.scans import Volumes
from pnetkit.pipeline.outcome.panels import panel_of
from pnetkit.types import Grid

GRID = Grid((12, 10, 8), np.diag([2.0, 2.0, 3.0, 1.0]))


def run(name, *, case="P1", image="aa", called="1"):
    record = {
        "inputs": {"venous": ["venous"]}, "phases": ["venous"], "cohort": "generated phantoms, seed 0", "stages": [],
        "cases": {case: {"files": {"venous": {"image": image}}}},
    }  # fmt: skip
    line = {"case_id": case, "venous_score": "1.0", "venous_called_abnormal": called}
    return FinishedRun(name, Path(name), record, {}, {}, {}, {}, [line])


@pytest.fixture
def read(monkeypatch):
    """Each run finds a tumor of its own at (NUMBER, 5); the truth is at (6, 5), all in slice 4."""

    def volumes(run, *_):
        found, truth = np.zeros(GRID.shape, np.uint8), np.zeros(GRID.shape, np.uint8)
        found[int(run.name[-1]), 5, 4], truth[6, 5, 4] = 2, 2
        hu, organ = np.full(GRID.shape, 70, np.float32), Box((6, 5, 4), (7, 6, 5))
        return Volumes({"venous": hu}, found, truth, organ, {"venous": (-100.0, 240.0)}, GRID)

    monkeypatch.setattr(panels, "read_volumes", volumes)
    monkeypatch.setattr(panels, "cohort_files", lambda *_: {})


@pytest.mark.usefixtures("read")
def test_each_column_shows_its_own_labels_on_the_slice_with_most_tumor():
    made = panel_of([run("run 3"), run("run 9", called="0")], ["P1"])
    assert made.columns == ("Image", "Reference", "run 3", "run 9")
    assert made.foot == "generated phantoms, seed 0"
    (row,) = made.rows
    assert (row.title, [cell.said for cell in row.cells]) == ("P1\nvenous", ["", "", "called", "not called"])
    assert row.cells[0].labels is None
    places = [np.argwhere(cell.labels == 2).tolist() for cell in row.cells[1:]]
    # the picture is 12 wide and seen from the feet: the patient's right, x = 11, is at column 0; 10 high, front up
    assert places == [[[4, 11 - 6]], [[4, 11 - 3]], [[4, 11 - 9]]]
    assert set(np.unique(row.gray)) == {128}  # 70 HU, in the middle of -100 to 240


@pytest.mark.usefixtures("read")
def test_a_figure_with_pseudonyms_names_no_case():
    assert panel_of([run("run 3")], ["P1"], pseudonyms=True).rows[0].title == "Case 1\nvenous"


@pytest.mark.usefixtures("read")
def test_a_case_that_a_run_lacks_or_of_which_it_has_other_images_is_refused():
    with pytest.raises(RunError, match="run 4: has no case 'P1'"):
        panel_of([run("run 3"), run("run 4", case="P2")], ["P1"])
    with pytest.raises(RunError, match="its images in run 4 are others than in run 3"):
        panel_of([run("run 3"), run("run 4", image="bb")], ["P1"])


def test_images_that_are_nowhere_are_told_of_without_their_folders(monkeypatch):
    monkeypatch.setattr(panels, "read_volumes", lambda *_: "The scan cannot be shown: /home/doe/P1.nii.gz is gone")
    monkeypatch.setattr(panels, "cohort_files", lambda *_: {})
    with pytest.raises(RunError, match=r"P1: none of its images is to be found \(.*P1.nii.gz is gone") as told:
        panel_of([run("run 3")], ["P1"])
    assert "doe" not in str(told.value)
