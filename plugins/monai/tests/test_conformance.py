"""The plugins held to their interface by the conformance kit."""

import pytest

from pnetkit.testing import backbone_checks

pytestmark = pytest.mark.slow

NETWORKS = {
    "monai-segresnet": {"width": 8},
    "monai-dynunet": {"width": 4, "levels": 4},
    "monai-basicunet": {"width": 4},
    "monai-swinunetr": {"width": 12, "depths": [2, 1, 1, 1]},
    "monai-unetr": {"size": [32, 32, 16], "width": 4, "hidden": 24, "heads": 2},
    "monai-unet": {"width": 4, "levels": 4},
    "monai-attentionunet": {"width": 4, "levels": 4},
    "monai-mednext": {"width": 4, "blocks": [1, 1, 1]},
}
CHECKS = [check for name, params in NETWORKS.items() for check in backbone_checks(name, params=params)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.plugin}-{check.name}")
def test_networks_conform(check):
    check()
