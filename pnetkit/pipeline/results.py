"""Gather what the stages found into one row for each case."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pnetkit.cohort.check import CheckedCase
from pnetkit.evaluation.summary import CaseRow, PhaseRow
from pnetkit.pipeline.drafting import CaseNodes
from pnetkit.pipeline.engine import Outcome
from pnetkit.pipeline.plan import Plan
from pnetkit.pipeline.stages.classify import FINDING, finding_from_json
from pnetkit.pipeline.stages.measure import LESIONS, MEASURES, lesions_from_json
from pnetkit.pipeline.stages.postprocess import VOXELS
from pnetkit.pipeline.store import Store


def gather(
    plan: Plan,
    outcome: Outcome,
    store: Store,
    *,
    good: Sequence[CheckedCase],
    bad: Sequence[CheckedCase],
    folds: Mapping[str, int],
    phases: tuple[str, ...],
) -> list[CaseRow]:
    """Give a row for every case, in the order of ids: to be fused, failed or quarantined, with the reason."""
    rows = [_row(item, plan, outcome, store, folds, phases) for item in good]
    for item in bad:
        reason = "; ".join(str(fault) for fault in item.faults)
        rows.append(CaseRow(item.case.id, item.case.abnormal, None, "quarantined", reason, {}, None))
    return sorted(rows, key=lambda row: row.case_id)


def failures(nodes: CaseNodes, outcome: Outcome, plan: Plan) -> list[str]:
    """Say why a phase of a case has no finding: the failures of the nodes that its last ones build on."""
    by_key = {node.key: node for node in plan.nodes}
    reasons: list[str] = []
    open_keys = [node.key for node in (nodes.classify, nodes.measure) if node is not None]
    seen: set[str] = set()
    while open_keys:
        key = open_keys.pop()
        if key in seen or key not in by_key:
            continue
        seen.add(key)
        if key in outcome.failed:
            node = by_key[key]
            reasons.append(f"{node.stage} of {node.label}: {outcome.failed[key].reason}")
        open_keys += by_key[key].inputs.values()
    return sorted(set(reasons))


def _row(
    item: CheckedCase,
    plan: Plan,
    outcome: Outcome,
    store: Store,
    folds: Mapping[str, int],
    phases: tuple[str, ...],
) -> CaseRow:
    case, fold = item.case, folds[item.case.id]
    found: dict[str, PhaseRow] = {}
    reasons: list[str] = []
    for phase in phases:
        nodes = plan.cases.get((case.id, phase))
        if nodes is None:
            continue
        problems = failures(nodes, outcome, plan)
        if problems:
            reasons += problems
        else:
            found[phase] = _phase_row(nodes, store)
    if reasons:
        return CaseRow(case.id, case.abnormal, fold, "failed", "; ".join(reasons), found, None)
    return CaseRow(case.id, case.abnormal, fold, "ok", "", found, None)


def _phase_row(nodes: CaseNodes, store: Store) -> PhaseRow:
    finding = finding_from_json(_read(store.folder("classify", nodes.classify.key) / FINDING))
    voxels = _read(store.folder("postprocess", nodes.postprocess.key) / VOXELS)
    if nodes.measure is None:
        return PhaseRow(finding, voxels, None)
    measured = store.folder("measure", nodes.measure.key)
    lesions = {name: lesions_from_json(of) for name, of in _read(measured / LESIONS).items()}
    return PhaseRow(finding, voxels, _read(measured / MEASURES), lesions)


def _read(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded
