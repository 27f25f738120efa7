"""The convolutional plugins held to their interface by the conformance kit; the transformers have their own file."""

import pytest

from pnetkit.testing import backbone_checks

pytestmark = pytest.mark.slow

NETWORKS = {
    "monai-segresnet": {"width": 8, "blocks_down": [1, 2, 1]},
    "monai-dynunet": {"width": 4, "levels": 4},
    "monai-basicunet": {"width": 4},
    "monai-unet": {"width": 4, "levels": 3},
    "monai-attentionunet": {"width": 4, "levels": 3},
    "monai-mednext": {"width": 4, "blocks": [1, 1, 1]},
}
CHECKS = [check for name, params in NETWORKS.items() for check in backbone_checks(name, params=params)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.plugin}-{check.name}")
def test_networks_conform(check):
    check()
