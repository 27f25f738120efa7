"""The plugin held to its interface by the conformance kit."""

import pytest

from pnetkit.testing import case_classifier_checks


@pytest.mark.slow
@pytest.mark.parametrize("check", case_classifier_checks("roi-classifier"), ids=str)
def test_roi_classifier_conforms(check):
    check()
