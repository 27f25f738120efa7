"""The conformance kit: named checks that tell a plugin's author what is wrong, with or without pytest.

    import pytest
    from pnetkit.testing import backbone_checks

    @pytest.mark.parametrize("check", backbone_checks("my-net"), ids=str)
    def test_my_net_conforms(check):
        check()

`pnetkit plugins check my-net` does the same without pytest. A check raises ConformanceError, and SkippedCheck where it
needs a package that is not installed. A deviation that is meant is documented: `expected_failures={"name": "reason"}`;
a check that passes all the same is then a failure.
"""

from pnetkit.testing.backbone import backbone_checks
from pnetkit.testing.case_classifier import case_classifier_checks
from pnetkit.testing.checks import Check, CheckResult, ConformanceError, SkippedCheck, run_checks
from pnetkit.testing.facts import BackboneFacts, backbone_facts
from pnetkit.testing.phase_fusion import phase_fusion_checks
from pnetkit.testing.postprocessor import postprocessor_checks

__all__ = [
    "BackboneFacts",
    "Check",
    "CheckResult",
    "ConformanceError",
    "SkippedCheck",
    "backbone_checks",
    "backbone_facts",
    "case_classifier_checks",
    "phase_fusion_checks",
    "postprocessor_checks",
    "run_checks",
]
