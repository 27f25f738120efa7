"""The plugin held to its interface by the conformance kit."""

import pytest

from pnetkit.testing import case_classifier_checks

TINY = {"channels": [8, 8], "groups": 4, "iterations": 40}


@pytest.mark.parametrize("check", case_classifier_checks("roi-classifier", params=TINY), ids=str)
def test_roi_classifier_conforms(check):
    check()
