"""The plugin held to its interface by the conformance kit."""

import pytest

from pnetkit.testing import backbone_checks

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("check", backbone_checks("vnet", params={"width": 4}), ids=str)
def test_vnet_conforms(check):
    check()
