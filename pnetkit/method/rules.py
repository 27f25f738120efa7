"""How a recipe's rules are applied to values in memory: the chain of postprocessors, the case classifier."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.errors import PluginError
from pnetkit.interfaces import CaseClassifier
from pnetkit.method.plugins import build
from pnetkit.types import Evidence, Grid, PhaseFinding, Scan, Segmentation

NOTHING: Mapping[str, Any] = MappingProxyType({})
"""What evidence holds of what the classifier did not ask for."""


def cleaned(segmentation: Segmentation, chain: Sequence[Mapping[str, Any]]) -> Segmentation:
    """Apply a chain of postprocessors, named by their identities. Raises PluginError for what is not a segmentation."""
    shape = segmentation.labels.shape
    for identity in chain:
        found: Any = build(identity)(segmentation)
        if not isinstance(found, Segmentation) or found.labels.shape != shape:
            raise PluginError(
                f"The postprocessor {identity['plugin']!r} (from {identity['distribution']}) has to give a "
                f"Segmentation of shape {shape}, it gave {type(found).__name__}."
            )
        segmentation = found
    return segmentation


def evidence_of(
    phase: str,
    segmentation: Segmentation,
    features: Mapping[str, NDArray[np.float32]] = NOTHING,
    *,
    feature_grids: Mapping[str, Grid] = NOTHING,
    images: Mapping[str, Scan] = NOTHING,
) -> Evidence:
    """Give what a classifier may look at, under a name that is made of the labels.

    What a case is called decides nothing and stands in no key, so a classifier does not get to know it.
    """
    labels = np.ascontiguousarray(segmentation.labels)
    name = f"labels-{sha256(labels.tobytes()).hexdigest()[:12]}"
    return Evidence(name, phase, segmentation, features, feature_grids, images)


def classified(classifier: CaseClassifier, evidence: Evidence, *, plugin: str) -> PhaseFinding:
    """Give a classifier's finding. Raises PluginError where it is one of another phase."""
    finding = classifier.classify(evidence)
    if finding.phase != evidence.phase:
        raise PluginError(
            f"The case classifier {plugin!r} has to give a finding of the phase {evidence.phase!r}, it gave one of "
            f"{finding.phase!r}."
        )
    return finding


def finding_to_json(finding: PhaseFinding) -> dict[str, Any]:
    """Give a finding as plain JSON."""
    return {
        "phase": finding.phase,
        "abnormal": finding.abnormal,
        "score": finding.score,
        "threshold": finding.threshold,
        "measurements": dict(finding.measurements),
        "flags": list(finding.flags),
    }


def finding_from_json(data: dict[str, Any]) -> PhaseFinding:
    """Read a finding that `finding_to_json` gave."""
    return PhaseFinding(data["phase"], data["score"], data["threshold"], data["measurements"], tuple(data["flags"]))
