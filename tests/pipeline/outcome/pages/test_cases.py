"""Tests of pnetkit.pipeline.outcome.pages.cases: what is said of why a case was missed, or was called."""

import numpy as np

from pnetkit.imaging.boxes import Box
from pnetkit.pipeline.outcome.finished import FinishedRun
from pnetkit.pipeline.outcome.pages.cases import ALARM, MISSED, NOT_LOOKED_FOR, Told, why_of
from pnetkit.pipeline.outcome.pages.names import Names
from pnetkit.pipeline.outcome.pages.scans import Shown
from pnetkit.pipeline.outcome.pages.stored import Stored
from pnetkit.report.page.findings import PhaseFound
from pnetkit.report.page.pictures import Crop


def why(tmp_path, group, labeled, truth, left):
    hu = np.zeros((4, 4, 4), np.float32)
    case = {"files": {}} if labeled is None else {"files": {}, "labeled": labeled}
    run = FinishedRun("r", tmp_path, {"cases": {"P1": case}, "plugins": {}}, {}, {}, {}, {})
    found = PhaseFound("venous", group == ALARM, 1.0, None, 1.0, {}, {}, ())
    crop = Crop(hu, np.full(hu.shape, left, np.uint8), np.full(hu.shape, truth, np.uint8), (1.0, 1.0, 1.0), 0.0)
    pictures = {"venous": Shown(crop, Box((0, 0, 0), (4, 4, 4)))}
    return why_of(Told(run, Stored(None, {}), {}, Names({})), group, found, pictures, "P1", "venous")


def test_of_a_scan_in_which_nobody_labeled_tumors_it_is_not_said_that_it_has_none(tmp_path):
    assert why(tmp_path, MISSED, ["pancreas"], 1, 1) == (NOT_LOOKED_FOR,)
    assert NOT_LOOKED_FOR not in why(tmp_path, MISSED, None, 1, 1)


def test_of_a_scan_without_a_label_of_the_pancreas_it_is_not_said_what_lies_outside_of_it(tmp_path):
    assert why(tmp_path, ALARM, ["tumor"], 0, 2) == ()
    (said,) = why(tmp_path, ALARM, None, 0, 2)
    assert said.endswith("64 outside it.")
