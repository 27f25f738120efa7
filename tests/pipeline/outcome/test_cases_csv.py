"""`cases.csv` tells what the rows hold, and is read back as it was, also when an earlier release wrote it."""

import csv
import math

from pnetkit.evaluation.summary import CaseRow, PhaseRow
from pnetkit.evaluation.surfaces import SurfaceAgreement
from pnetkit.pipeline.outcome.cases_csv import CASES, fused_calls, phase_calls, read_cases, write_cases
from pnetkit.types import CaseFinding, PhaseFinding

SURFACES = {
    "pancreas": SurfaceAgreement(0.5, 4.25),
    "tumor": SurfaceAgreement(0.0, math.inf),
    "duct": SurfaceAgreement(None, None),
}


def written(tmp_path, finding=None, probability=None):
    finding = finding or PhaseFinding("venous", 0.75, 0.5, {"tumor_probability": 0.75})
    phase = PhaseRow(
        finding, {"tumor": 3, "duct": 0}, {"pancreas": 0.5, "tumor": 0.0, "duct": None}, {}, surfaces=SURFACES
    )
    fused = CaseFinding("P1", True, 1.5, ("venous",), {"venous": finding})
    write_cases(
        tmp_path, [CaseRow("P1", True, 0, "ok", "", {"venous": phase}, fused, probability=probability)], ["venous"]
    )
    return read_cases(tmp_path)


def test_surfaces_and_probabilities_come_back_as_they_were(tmp_path):
    lines = written(tmp_path, probability=0.625)
    assert fused_calls(lines)["P1"].probability == 0.625
    call = phase_calls(lines, "venous")["P1"]
    assert (call.surfaces, call.probability) == (SURFACES, 0.75)
    assert (lines[0]["venous_tumor_hd95_mm"], lines[0]["venous_duct_nsd"]) == ("inf", "undefined")


def test_a_score_that_is_no_probability_leaves_the_columns_empty(tmp_path):
    (line,) = written(tmp_path, PhaseFinding("venous", 0.75, 0.5, {"tumor_voxels": 0.75}))
    assert (line["probability"], line["venous_probability"]) == ("", "")
    assert phase_calls([line], "venous")["P1"].probability is None


def test_lines_of_earlier_releases_have_no_surfaces_and_are_read(tmp_path):
    (line,) = written(tmp_path)
    old = {name: text for name, text in line.items() if not name.endswith(("nsd", "hd95_mm", "probability"))}
    with (tmp_path / CASES).open("w", newline="") as file:
        writer = csv.DictWriter(file, old)
        writer.writeheader()
        writer.writerow(old)
    call = phase_calls(read_cases(tmp_path), "venous")["P1"]
    assert (call.surfaces, call.probability, call.dice["pancreas"]) == ({}, None, 0.5)
    assert fused_calls(read_cases(tmp_path))["P1"].probability is None
