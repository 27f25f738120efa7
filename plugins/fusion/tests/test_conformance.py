"""The plugins held to their interface by the conformance kit."""

import pytest

from pnetkit.testing import phase_fusion_checks

FUSIONS = {
    "or": {},
    "and": {},
    "k-of-n": {},
    "max": {},
    "mean": {},
    "single": {"phase": "venous"},
    "logistic": {},
}
DEVIATIONS = {"k-of-n": {"one_phase": "two of one phase cannot be, and are refused"}}
CHECKS = [
    check
    for name, params in FUSIONS.items()
    for check in phase_fusion_checks(name, params=params, expected_failures=DEVIATIONS.get(name))
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.plugin}-{check.name}")
def test_fusions_conform(check):
    check()
