"""The plugins that are transformers held to their interface by the conformance kit."""

import itertools

import pytest

from pnetkit.testing import backbone_checks

pytestmark = pytest.mark.slow

DEPTHS = [2, 1, 1, 1]
NETWORKS = {
    "monai-swinunetr": {"width": 12, "depths": DEPTHS},
    "monai-unetr": {"size": [32, 32, 16], "width": 4, "hidden": 24, "heads": 2},
}
CHECKS = [check for name, params in NETWORKS.items() for check in backbone_checks(name, params=params)]


@pytest.fixture
def _needed_masks(request, monkeypatch):
    """Make the masks of windows that are shifted, and no others, where SwinUNETR is written as ONNX.

    MONAI makes one for each stage, of 27 assignments that are traced one by one, and looks at that of the first stage
    alone: the others have one block here, which shifts nothing and is given its mask in vain.
    """
    check = request.getfixturevalue("check")
    if (check.plugin, check.name) != ("monai-swinunetr", "onnx"):
        return
    from monai.networks.nets import swin_unetr

    real, calls = swin_unetr.compute_mask, itertools.cycle(DEPTHS)
    monkeypatch.setattr(swin_unetr, "compute_mask", lambda *of: real(*of) if next(calls) > 1 else None)


@pytest.mark.usefixtures("_needed_masks")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.plugin}-{check.name}")
def test_networks_conform(check):
    check()
