"""Tests of pnetkit.report.further: tables of surfaces, lesions' F1 and calibration."""

import math
from dataclasses import asdict

import pytest

from pnetkit.evaluation.comparison import Call, CaseTruth
from pnetkit.evaluation.further import compare_further
from pnetkit.evaluation.lesions import Lesion, LesionMatch
from pnetkit.evaluation.summary import CaseRow, PhaseRow, summarize
from pnetkit.evaluation.surfaces import SurfaceAgreement
from pnetkit.report.further import (
    further_differences_table,
    further_table,
    probabilities_tables,
    run_further_tables,
)
from pnetkit.report.tidy_further import further_rows
from pnetkit.types import CaseFinding, PhaseFinding

TRUTH = {f"P{n}": CaseTruth(n % 2 == 1, n) for n in range(6)}


def rows(measured="tumor_voxels", *, surfaces=True):
    found = []
    for n in range(4):
        finding = PhaseFinding("venous", 0.75 if n % 2 else 0.25, 0.5, {measured: 0.75 if n % 2 else 0.25})
        of = {name: SurfaceAgreement(0.5, 4.0 if n < 2 else math.inf) for name in ("pancreas", "tumor", "duct")}
        match = {"any": LesionMatch((Lesion(90, 5.6, 80.0, 0.5),), (100.0,), 1.0)}
        phase = PhaseRow(finding, {}, {"pancreas": 0.5, "tumor": 0.5, "duct": None}, match, of if surfaces else None)
        fused = CaseFinding(f"P{n}", finding.abnormal, finding.relative_score, (), {})
        found.append(CaseRow(f"P{n}", bool(n % 2), 0, "ok", "", {"venous": phase}, fused))
    return found


def cells(table, number=0):
    return dict(zip(table.columns, table.rows[number], strict=True))


def test_a_run_tells_surfaces_and_lesions_and_says_that_its_scores_are_no_probabilities():
    (table,) = run_further_tables(summarize(rows(), ["venous"]), method="S4C", cohort="four phantoms")
    of = cells(table)
    assert (of["Tumor NSD %"], of["Tumor HD95 mm"], of["N.Pancreas NSD %"]) == ("50.00", "inf", "50.00")
    assert of["Lesion F1 %, any overlap"] == "66.7 (4 found, 0 missed, 4 wrong)"
    assert of["Lesion F1 %, IoU ≥ 0.1"] == "-"
    notes = " ".join(table.notes)
    assert "Cohort: four phantoms. Research use only" in notes
    assert "at a tolerance of 2 mm" in notes
    assert "below 65 mm³" in notes
    assert "venous, surfaces: N.Pancreas 1 infinite, 0 undefined (both empty)" in notes
    assert "The scores of venous, fused are not told as probabilities" in notes


def test_a_phase_whose_score_is_a_probability_is_calibrated_with_its_bins():
    _, table, bins = run_further_tables(
        summarize(rows("tumor_probability"), ["venous"]), method="S4C", cohort="four phantoms"
    )
    assert cells(table) == {
        "Phases": "venous",
        "Method": "S4C",
        "Cases": "4",
        "Brier": "0.0625",
        "ECE": "0.2500",
        "Slope": "-",
        "Intercept": "0.00",
    }
    assert bins.rows[0] == ("venous", "0.2 to 0.3", "2", "0", "0.0", "25.0")
    assert "The scores of fused are not told" in " ".join(table.notes)


def test_a_run_without_reference_labels_and_probabilities_has_no_further_table():
    found = [CaseRow("P1", True, 0, "ok", "", {"venous": PhaseRow(PhaseFinding("venous", 1, 1), {}, None)}, None)]
    assert run_further_tables(summarize(found, ["venous"]), method="S4C", cohort="four phantoms") == []


@pytest.fixture
def further():
    def arm(nsd, p):
        surfaces = {name: SurfaceAgreement(nsd, 3.0) for name in ("pancreas", "tumor", "duct")}
        return {case: Call(True, 1.0, {}, surfaces, p) for case in TRUTH}

    lesions = {case: LesionMatch((Lesion(90, 5.6, 80.0, 0.5),), (), 1.0) for case in TRUTH}
    arms = {"base": arm(0.5, None), "own": arm(0.75, 0.5)}
    return compare_further(TRUTH, arms, {"base": lesions, "own": lesions}, baseline="base")


def test_a_comparison_has_a_row_for_each_arm_and_each_difference(further):
    table = further_table(further, "venous", cohort="six cases")
    assert (cells(table, 1)["Duct NSD %"], cells(table, 1)["Lesion F1 %"]) == (
        "75.00",
        "100.0 (6 found, 0 missed, 0 wrong)",
    )
    against = cells(further_differences_table(further, "venous"))
    assert against["Tumor NSD, pp"].startswith("+25.0 [+25.0, +25.0] p=0.250 (1.000)")
    assert against["Lesion F1, pp"] == "+0.0 [+0.0, +0.0]"
    assert "Brier" not in against  # base tells no probability
    calibrated, _ = probabilities_tables(further, "venous", cohort="six cases")
    assert cells(calibrated)["Brier [95 % CI]"] == "0.2500 [0.2500, 0.2500]"
    assert "The scores of base are not told" in " ".join(calibrated.notes)
    assert further_differences_table(further, "fused") is None


def test_programs_get_the_same_as_numbers(further):
    found = list(further_rows(asdict(further)))
    own = {row["figure"]: row for row in found if row.get("method") == "own" and row["kind"] == "further"}
    assert (own["nsd Tumor"]["value"], own["nsd Tumor"]["count"]) == (0.75, 3)
    assert (own["lesion f1"]["value"], own["brier score"]["value"], own["brier score"]["count"]) == (1.0, 0.25, 6)
    (bins,) = [row for row in found if row["kind"] == "reliability"]
    assert (bins["figure"], bins["count"], bins["total"]) == ("0.5 to 0.6", 3, 6)
    (change,) = [row for row in found if row["kind"] == "difference" and row["figure"] == "nsd Tumor"]
    assert (change["value"], change["p_holm"], change["against"]) == (0.25, 1.0, "base")
    assert list(further_rows(None)) == []
