"""Tests of pnetkit.report.tidy: a comparison as numbers, one row for each figure."""

import json
from dataclasses import asdict

import pytest

from pnetkit.evaluation.comparison import Call, CaseTruth, compare_arms
from pnetkit.report.tidy import COLUMNS, tidy_rows


@pytest.fixture
def plain():
    """Two arms on four cases of four patients; the second misses P3."""
    truth = {f"P{n}": CaseTruth(n % 2 == 1, n) for n in range(4)}
    dice = {"pancreas": 0.5, "tumor": 0.25}
    good = {case: Call(bool(of.abnormal), float(bool(of.abnormal)) * 2, dice) for case, of in truth.items()}
    worse = good | {"P3": Call(False, 0.5, {"pancreas": 0.25, "tumor": None})}
    found = compare_arms(truth, {"good": good, "worse": worse}, baseline="good")
    return {"cohort": "four cases", "warnings": ["COMPARED ANYWAY: x."], "views": {"fused": asdict(found)}}


def row(rows, **wanted):
    (found,) = [of for of in rows if all(of.get(key) == value for key, value in wanted.items())]
    return found


def test_rates_dice_and_differences_are_numbers_from_0_to_1(plain):
    rows = tidy_rows(plain)
    assert all(set(of) <= set(COLUMNS) and of["cohort"] == "four cases" for of in rows)
    sensitivity = row(rows, kind="arm", method="worse", figure="sensitivity")
    assert (sensitivity["value"], sensitivity["count"], sensitivity["total"]) == (0.5, 1, 2)
    dice = row(rows, kind="arm", method="worse", figure="dice A.Pancreas")
    assert (dice["value"], dice["count"]) == (0.375, 2)
    assert dice["sd"] == pytest.approx(0.125 * 2**0.5)
    missed = row(rows, kind="difference", figure="sensitivity")
    assert (missed["method"], missed["against"], missed["value"], missed["total"]) == ("worse", "good", -0.5, 4)
    assert (missed["p"], missed["p_holm"]) == (1.0, 1.0)
    failed = tidy_rows(plain | {"failed": {"worse": {"cases": 2, "of": 4}}})
    assert row(failed, kind="arm", method="worse", figure="auc")["note"] == "2 of 4 cases failed"
    assert row(failed, kind="arm", method="good", figure="auc")["note"] == ""
    assert row(rows, kind="warning")["note"] == "COMPARED ANYWAY: x."


def test_published_rows_are_apart_and_of_their_own_cohort():
    rows = tidy_rows({}, ("fused",))
    found = row(rows, method="S4C", figure="sensitivity")
    assert (found["kind"], found["cohort"], found["count"], found["total"]) == (
        "published",
        "the paper's own",
        204,
        228,
    )
    assert json.dumps(rows)
