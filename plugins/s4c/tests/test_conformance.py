"""The plugin held to its interface by the conformance kit."""

import pytest

from pnetkit.testing import backbone_checks

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("check", backbone_checks("s4c", params={"width": 4}), ids=str)
def test_s4c_conforms(check):
    check()


@pytest.mark.parametrize("check", backbone_checks("s4c", params={"width": 4, "skip": "concat"}), ids=str)
def test_the_variant_with_concatenated_skips_conforms(check):
    check()
