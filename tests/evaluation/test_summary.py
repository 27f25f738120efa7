"""Tests of pnetkit.evaluation.summary."""

import json
from dataclasses import replace
from statistics import mean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pnetkit.evaluation.lesions import Lesion, LesionMatch
from pnetkit.evaluation.rates import wilson_rate
from pnetkit.evaluation.summary import CaseRow, PhaseRow, summarize
from pnetkit.evaluation.surfaces import SurfaceAgreement
from pnetkit.types import CaseFinding, PhaseFinding

PHASES = ("arterial", "venous")
QUICK = settings(deadline=None, max_examples=40)
VOXELS = {"pancreas": 100, "tumor": 0, "duct": 0}


def phase_row(score, *, phase="venous", threshold=1.0, dice=None):
    return PhaseRow(PhaseFinding(phase, score, threshold), VOXELS, dice)


def overlaps(pancreas, tumor):
    return {"pancreas": pancreas, "tumor": tumor, "duct": None}


def case(name, abnormal, score, *, fold=0, phases=None):
    fused = CaseFinding(name, score >= 1, score, (), {})
    return CaseRow(name, abnormal, fold, "ok", "", {"venous": phase_row(score)} if phases is None else phases, fused)


def undone(name, abnormal, status, *, fold=0, phases=None):
    return CaseRow(name, abnormal, fold, status, "could not be read", phases or {}, None)


# Strategies give plain values: the type checker of the tests draws random numbers, which Hypothesis forbids in them.
@st.composite
def cohorts(draw):
    plain = []
    for _ in range(draw(st.integers(0, 12))):
        phases = {}
        for phase in draw(st.sets(st.sampled_from(PHASES))):
            dice = [draw(st.none() | st.floats(0, 1)) for _ in range(2)] if draw(st.booleans()) else None
            phases[phase] = (draw(st.floats(0, 3)), draw(st.sampled_from([0.3, 1.0, 1.7])), dice)
        status = draw(st.sampled_from(["ok", "failed", "quarantined"]))
        abnormal, fold = draw(st.sampled_from([True, False, None])), draw(st.integers(0, 2))
        plain.append((fold, abnormal, status, draw(st.floats(0, 3)), {} if status == "quarantined" else phases))
    return plain


def case_rows(plain):
    rows = []
    for index, (fold, abnormal, status, score, phases) in enumerate(plain):
        name = f"c{index}"
        fused = CaseFinding(name, score >= 1, score, (), {}) if status == "ok" else None
        found = {
            phase: phase_row(s, phase=phase, threshold=t, dice=dice and overlaps(*dice))
            for phase, (s, t, dice) in phases.items()
        }
        rows.append(CaseRow(name, abnormal, None if status == "quarantined" else fold, status, "", found, fused))
    return rows


def test_fused_rates_of_the_paper():
    rows = [case(f"p{i}", True, float(i >= 24), fold=i % 4) for i in range(228)]
    rows += [case(f"n{i}", False, float(i < 28), fold=i % 4) for i in range(148)]
    fused = summarize(rows, ["venous"]).fused
    assert (fused.misses, fused.wrong_calls) == (24, 28)
    assert round(100 * fused.sensitivity.value, 2) == 89.47
    assert round(100 * fused.specificity.low, 2) == 74.02
    assert [fused.sensitivity_by_fold[str(k)].total for k in range(4)] == [57] * 4
    assert [fused.specificity_by_fold[str(k)].total for k in range(4)] == [37] * 4


def test_folds_by_hand():
    rows = [
        case("a", True, 2.0, fold=0),
        case("b", True, 0.5, fold=0),
        case("c", False, 0.1, fold=0),
        case("d", True, 1.0, fold=1),
        case("e", False, 3.0, fold=1),
        case("f", False, 0.2, fold=1),
    ]
    decision = summarize(rows, ["venous"]).phases["venous"].decision
    assert (decision.misses, decision.wrong_calls) == (1, 1)
    assert decision.sensitivity == wilson_rate(2, 3)
    assert decision.auc == 6 / 9
    assert decision.sensitivity_by_fold == {"0": wilson_rate(1, 2), "1": wilson_rate(1, 1)}
    assert decision.specificity_by_fold == {"0": wilson_rate(1, 1), "1": wilson_rate(1, 2)}
    assert decision.auc_by_fold == {"0": 1.0, "1": 1 / 2}


def test_scores_of_different_thresholds_are_compared_in_units_of_the_threshold():
    phases = [{"venous": phase_row(30.0, threshold=40.0)}, {"venous": phase_row(0.9, threshold=0.5)}]
    rows = [case("a", False, 0.0, phases=phases[0]), case("b", True, 2.0, phases=phases[1])]
    decision = summarize(rows, ["venous"]).phases["venous"].decision
    assert (decision.misses, decision.wrong_calls, decision.auc) == (0, 0, 1.0)


def test_a_score_at_the_threshold_is_abnormal():
    found = summarize([case("a", True, 1.0), case("b", False, 1.0)], ["venous"])
    assert (found.fused.misses, found.fused.wrong_calls) == (0, 1)
    assert (found.phases["venous"].decision.misses, found.phases["venous"].decision.wrong_calls) == (0, 1)


def test_undefined_dice_and_missing_reference_are_counted_apart():
    rows = [
        case("a", True, 1.0, phases={"venous": phase_row(1.0, dice=overlaps(0.5, 0.25))}),
        case("b", True, 1.0, phases={"venous": phase_row(1.0, dice=overlaps(1.0, None))}),
        case("c", True, 1.0, phases={"venous": phase_row(1.0)}),
        case("d", False, 0.0, phases={"venous": phase_row(0.0, dice=overlaps(0.75, None))}),
        case("e", None, 0.0, phases={"venous": phase_row(0.0, dice=overlaps(0.0, 0.0))}),
    ]
    found = summarize(rows, ["venous"]).phases["venous"]
    pancreas, tumor, normal = found.pancreas_abnormal, found.tumor_abnormal, found.pancreas_normal
    assert (pancreas.mean, pancreas.sd) == (3 / 4, pytest.approx(8**-0.5))
    assert (pancreas.cases, pancreas.undefined, pancreas.without_reference) == (2, 0, 1)
    assert (tumor.mean, tumor.sd) == (1 / 4, None)
    assert (tumor.cases, tumor.undefined, tumor.without_reference) == (1, 1, 1)
    assert (normal.mean, normal.cases, normal.undefined, normal.without_reference) == (3 / 4, 1, 0, 0)


def test_a_dice_of_zero_counts_as_zero_and_not_as_undefined():
    rows = [case("a", True, 1.0, phases={"venous": phase_row(1.0, dice=overlaps(0.0, 0.0))})]
    tumor = summarize(rows, ["venous"]).phases["venous"].tumor_abnormal
    assert (tumor.mean, tumor.cases, tumor.undefined) == (0.0, 1, 0)


def test_failed_and_quarantined_cases_are_named_with_their_reason_and_in_no_fused_rate():
    rows = [
        case("a", True, 2.0),
        undone("b", True, "failed", phases={"venous": phase_row(0.0)}),
        undone("c", False, "quarantined", fold=None),
        case("d", None, 2.0),
    ]
    metrics = summarize(rows, PHASES)
    assert (metrics.cases, metrics.failed, metrics.quarantined, metrics.unknown) == (4, 1, 1, 1)
    assert metrics.undecided == {"b": "could not be read", "c": "could not be read"}
    assert metrics.fused.sensitivity == wilson_rate(1, 1)
    assert metrics.fused.specificity.value is None
    assert metrics.fused.auc is None
    assert list(metrics.fused.sensitivity_by_fold) == ["0"]


def test_a_phase_that_was_decided_counts_although_the_case_failed():
    rows = [case("a", True, 2.0), undone("b", True, "failed", phases={"venous": phase_row(0.0)})]
    assert summarize(rows, PHASES).phases["venous"].decision.sensitivity == wilson_rate(1, 2)


def test_phases_without_a_scan_are_counted():
    metrics = summarize([case("a", True, 2.0), case("b", False, 0.0)], PHASES)
    assert [metrics.phases[phase].missing for phase in PHASES] == [2, 0]


def test_an_empty_cohort_has_metrics_without_numbers():
    metrics = summarize([], PHASES)
    assert (metrics.cases, metrics.fused.auc, metrics.fused.sensitivity.value) == (0, None, None)
    assert metrics.phases["venous"].tumor_abnormal.mean is None


@pytest.mark.slow
@QUICK
@given(cohorts())
def test_no_case_is_dropped_without_being_counted(plain):
    rows = case_rows(plain)
    metrics = summarize(rows, PHASES)
    assert metrics.abnormal + metrics.normal + metrics.unknown + metrics.quarantined == metrics.cases == len(rows)
    ok = [row for row in rows if row.status == "ok"]
    assert len(ok) + metrics.failed + metrics.quarantined == metrics.cases
    assert len(metrics.undecided) == metrics.failed + metrics.quarantined
    decided = metrics.fused.sensitivity.total + metrics.fused.specificity.total
    assert decided == sum(row.abnormal is not None for row in ok)
    for phase, found in metrics.phases.items():
        there = [row for row in rows if phase in row.phases]
        assert found.missing == sum(phase not in row.phases for row in ok)
        for group, abnormal in ((found.pancreas_normal, False), (found.tumor_abnormal, True)):
            size = sum(row.abnormal is abnormal for row in there)
            assert group.cases + group.undefined + group.without_reference == size


@pytest.mark.slow
@QUICK
@given(cohorts())
def test_folds_add_up_to_the_pooled_counts(plain):
    metrics = summarize(case_rows(plain), PHASES)
    for view in (metrics.fused, *(found.decision for found in metrics.phases.values())):
        for pooled, folds in (
            (view.sensitivity, view.sensitivity_by_fold),
            (view.specificity, view.specificity_by_fold),
        ):
            assert pooled.successes == sum(fold.successes for fold in folds.values())
            assert pooled.total == sum(fold.total for fold in folds.values())
        assert view.misses == view.sensitivity.total - view.sensitivity.successes
        assert view.wrong_calls == view.specificity.total - view.specificity.successes


@pytest.mark.slow
@QUICK
@given(cohorts())
def test_phase_figures_agree_with_the_findings(plain):
    rows = case_rows(plain)
    found = summarize(rows, PHASES).phases["arterial"]
    decided = [(row.abnormal, row.phases["arterial"]) for row in rows if "arterial" in row.phases]
    assert found.decision.misses == sum(truth is True and not row.finding.abnormal for truth, row in decided)
    assert found.decision.wrong_calls == sum(truth is False and row.finding.abnormal for truth, row in decided)
    tumors = [row.dice["tumor"] for truth, row in decided if truth is True and row.dice is not None]
    values = [value for value in tumors if value is not None]
    assert found.tumor_abnormal.mean == (pytest.approx(mean(values), abs=1e-12) if values else None)
    assert found.tumor_abnormal.sd == (pytest.approx(stdev(values), abs=1e-9) if len(values) > 1 else None)


@pytest.mark.slow
@QUICK
@given(cohorts(), st.randoms(use_true_random=False))
def test_order_of_the_cases_does_not_matter(plain, random):
    rows = case_rows(plain)
    shuffled = random.sample(rows, len(rows))

    def rounded(some):
        data = summarize(some, PHASES).to_json()
        return json.loads(json.dumps(data), parse_float=lambda text: round(float(text), 9))

    assert rounded(rows) == rounded(shuffled)


@pytest.mark.slow
@QUICK
@given(cohorts())
def test_json_is_plain_and_has_no_nan(plain):
    data = summarize(case_rows(plain), PHASES).to_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert list(data["phases"]) == list(PHASES)
    assert list(data["fused"]["sensitivity"]) == ["value", "successes", "total", "low", "high"]


def test_json_writes_null_for_what_is_undefined():
    data = summarize([case("a", True, 2.0)], ["venous"]).to_json()
    nothing = {"value": None, "successes": 0, "total": 0, "low": None, "high": None}
    assert data["fused"]["specificity"] == nothing
    assert data["fused"]["auc_by_fold"] == {"0": None}
    assert data["fused"]["sensitivity"]["value"] == 1.0


def test_json_says_every_rate_as_the_share_that_its_counts_are():
    rows = [case(f"p{i}", True, float(i >= 24), fold=i % 4) for i in range(228)]
    rows += [case(f"n{i}", False, float(i < 28), fold=i % 4) for i in range(148)]
    data = summarize(rows, ["venous"]).to_json()
    for said in (data["fused"], data["phases"]["venous"]["decision"]):
        rates = [said[of] for of in ("sensitivity", "specificity")]
        rates += [rate for of in ("sensitivity_by_fold", "specificity_by_fold") for rate in said[of].values()]
        assert [rate["value"] for rate in rates] == [rate["successes"] / rate["total"] for rate in rates]
    assert data["fused"]["sensitivity"]["value"] == pytest.approx(0.8947, abs=5e-5)


def test_lesions_of_all_scans_of_a_phase_count_together_by_criterion():
    def row(name, abnormal, **lesions):
        phase = PhaseRow(PhaseFinding("venous", 1.0, 1.0), VOXELS, None, lesions or None)
        return case(name, abnormal, 1.0, phases={"venous": phase})

    hit, miss = Lesion(100, 5.8, 90.0, 0.5), Lesion(100, 5.8, 0.0, 0.0)
    rows = [
        row("a", True, any=LesionMatch((hit, miss), (), 1.0), iou=LesionMatch((miss, miss), (70.0,), 1.0)),
        row("b", False, any=LesionMatch((), (70.0, 70.0), 1.0), iou=LesionMatch((), (70.0,), None)),
        row("c", None),
        undone("d", True, "quarantined"),
    ]
    found = summarize(rows, ["venous"]).phases["venous"].lesions
    assert list(found) == ["any"]  # nobody knows how large a voxel of the other was
    assert (found["any"].found, found["any"].missed, found["any"].wrong) == (1, 1, 2)
    assert found["any"].value == pytest.approx(2 / (2 + 1 + 2))


def test_surfaces_are_told_by_structure_and_diagnosis():
    def row(name, abnormal, nsd):
        surfaces = {of: SurfaceAgreement(nsd, 1.0) for of in ("pancreas", "tumor", "duct")}
        phase = PhaseRow(PhaseFinding("venous", 1.0, 1.0), VOXELS, None, None, surfaces)
        return case(name, abnormal, 1.0, phases={"venous": phase})

    rows = [row("a", True, 0.2), row("b", True, 0.4), row("c", False, 0.9), row("d", None, 0.0)]
    found = summarize(rows, ["venous"]).phases["venous"].surfaces
    assert {name: of.nsd for name, of in found.items()} == pytest.approx(
        {"pancreas_normal": 0.9, "pancreas_abnormal": 0.3, "tumor_abnormal": 0.3, "duct_abnormal": 0.3}
    )


@pytest.mark.parametrize(("third", "cases"), [(0.5, 3), (None, None)])
def test_probabilities_are_calibrated_where_every_case_of_known_diagnosis_has_one(third, cases):
    said = [(True, 0.9), (False, 0.1), (True, third), (None, None)]
    rows = [replace(case(f"c{i}", abnormal, 1.0), probability=p) for i, (abnormal, p) in enumerate(said)]
    found = summarize(rows, ["venous"]).fused_calibration
    assert (found and found.cases) == cases
    assert found is None or found.brier == pytest.approx((0.01 + 0.01 + 0.25) / 3)
