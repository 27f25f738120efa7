"""The plugins held to their interface by the conformance kit."""

import pytest

from pnetkit.testing import phase_fusion_checks, run_checks

FUSIONS = {
    "or": {},
    "and": {},
    "k-of-n": {},
    "max": {},
    "mean": {},
    "noisy-or": {"sharpness": 2.0},
    "single": {"phase": "venous"},
    "logistic": {},
}
CHECKS = [check for name, params in FUSIONS.items() for check in phase_fusion_checks(name, params=params)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.plugin}-{check.name}")
def test_fusions_conform(check):
    check()


def test_two_of_one_phase_are_a_declared_deviation_and_one_of_one_none():
    outcomes = {
        k: {r.name: r.outcome for r in run_checks(phase_fusion_checks("k-of-n", params={"k": k}))} for k in (1, 2)
    }
    assert outcomes[1]["one_phase"] == "passed"
    assert outcomes[2]["one_phase"] == "deviates as documented"
