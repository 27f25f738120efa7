"""The conformance kit: named checks that tell a plugin's author what is wrong, with or without pytest.

    import pytest
    from pnetkit.testing import backbone_checks

    @pytest.mark.parametrize("check", backbone_checks("my-net"), ids=str)
    def test_my_net_conforms(check):
        check()

`pnetkit plugins check my-net` does the same without pytest. A check raises ConformanceError, and SkippedCheck where it
cannot be made here, which pytest and unittest count as a skipped test. A deviation that is meant is documented with its
reason: by the plugin in its `deviations` (pnetkit.interfaces.Deviating), or by a test in
`expected_failures={"name": "reason"}`, where a check that passes all the same is a failure. A plugin whose defaults
are for a long training may say in a class attribute `kit_params` what it is built with here instead.
"""

from pnetkit.testing.backbone import backbone_checks
from pnetkit.testing.case_classifier import case_classifier_checks
from pnetkit.testing.checks import Check, CheckResult, ConformanceError, SkippedCheck, kit_params, run_checks
from pnetkit.testing.doctor import Examined, Finding, examine, installation_findings
from pnetkit.testing.facts import BackboneFacts, backbone_facts
from pnetkit.testing.kits import KITS
from pnetkit.testing.phase_fusion import phase_fusion_checks
from pnetkit.testing.postprocessor import postprocessor_checks

__all__ = [
    "KITS",
    "BackboneFacts",
    "Check",
    "CheckResult",
    "ConformanceError",
    "Examined",
    "Finding",
    "SkippedCheck",
    "backbone_checks",
    "backbone_facts",
    "case_classifier_checks",
    "examine",
    "installation_findings",
    "kit_params",
    "phase_fusion_checks",
    "postprocessor_checks",
    "run_checks",
]
