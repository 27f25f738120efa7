"""Decide on one phase of one case."""

from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from pnetkit.errors import PluginError
from pnetkit.imaging.nifti import read_labels
from pnetkit.interfaces import CaseClassifier, TrainedCaseClassifier
from pnetkit.pipeline.context import Context
from pnetkit.pipeline.node import Node
from pnetkit.pipeline.plugins import build
from pnetkit.pipeline.stages.roi import FEATURES, MODEL
from pnetkit.pipeline.stages.segment import LABELS
from pnetkit.pipeline.store import write_json
from pnetkit.types import Evidence, PhaseFinding, Segmentation

FINDING = "finding.json"
"""The finding of one phase in the result of `classify`."""


def classify(node: Node, context: Context, folder: Path) -> dict[str, Any]:
    """Write score, threshold, measurements and flags."""
    classifier: CaseClassifier = build(node.identity["classifier"])
    maps = {}
    if "fit" in node.inputs:
        if not isinstance(classifier, TrainedCaseClassifier):
            raise TypeError(f"{node.identity['classifier']['plugin']} is not a classifier that can be fitted")
        classifier.load(context.store.folder("fit", node.inputs["fit"]) / MODEL)
    if "features" in node.inputs:
        maps = load_file(context.store.folder("features", node.inputs["features"]) / FEATURES)
    labels, grid = read_labels(context.store.folder("postprocess", node.inputs["postprocess"]) / LABELS)
    evidence = Evidence(node.given["case_id"], node.given["phase"], Segmentation(labels, grid), maps)
    finding = classified(classifier, evidence, plugin=node.identity["classifier"]["plugin"])
    write_json(folder / FINDING, finding_to_json(finding))
    return {"abnormal": finding.abnormal}


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
