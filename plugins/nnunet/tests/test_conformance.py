"""The plugins held to their interface by the conformance kit."""

import pytest

from pnetkit.testing import backbone_checks

pytestmark = pytest.mark.slow

NETWORKS = {
    "nnunet-plain": {"width": 4, "levels": 4, "convolutions": [1, 2, 1, 1]},
    "nnunet-residual": {"width": 4, "levels": 3, "blocks": [1, 2, 1]},
}
CHECKS = [check for name, params in NETWORKS.items() for check in backbone_checks(name, params=params)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.plugin}-{check.name}")
def test_networks_conform(check):
    check()
