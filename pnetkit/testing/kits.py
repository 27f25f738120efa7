"""The kit of each kind of plugin."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from pnetkit.testing.backbone import backbone_checks
from pnetkit.testing.case_classifier import case_classifier_checks
from pnetkit.testing.checks import Check
from pnetkit.testing.phase_fusion import phase_fusion_checks
from pnetkit.testing.postprocessor import postprocessor_checks

KITS: Mapping[str, Callable[..., list[Check]]] = MappingProxyType(
    {
        "backbone": backbone_checks,
        "postprocessor": postprocessor_checks,
        "case-classifier": case_classifier_checks,
        "phase-fusion": phase_fusion_checks,
    }
)
"""By the names of kinds that the command line takes."""
