"""The plugin held to its interface by the conformance kit."""

import pytest

from pnetkit.testing import backbone_checks, case_classifier_checks


@pytest.mark.slow
@pytest.mark.parametrize("check", backbone_checks("s4c-joint", params={"width": 4}), ids=str)
def test_s4c_joint_conforms(check):
    check()


@pytest.mark.parametrize("check", case_classifier_checks("lesion-score"), ids=str)
def test_lesion_score_conforms(check):
    check()
