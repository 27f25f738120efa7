"""The plugin held to its interface by the conformance kit."""

import pytest

from pnetkit.testing import backbone_checks

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("check", backbone_checks("unet3d", params={"width": 8}), ids=str)
def test_unet3d_conforms(check):
    check()
