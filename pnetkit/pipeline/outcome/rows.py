"""One row for each case, of what the stages found."""

from collections.abc import Mapping, Sequence

from pnetkit.cohort.check import CheckedCase
from pnetkit.errors import PnetkitError
from pnetkit.evaluation.summary import CaseRow, PhaseRow
from pnetkit.pipeline.engine.schedule import Outcome
from pnetkit.pipeline.plan.drafting import CaseNodes
from pnetkit.pipeline.plan.graph import Graph
from pnetkit.pipeline.stages import classify, measure, postprocess
from pnetkit.store.node import Node
from pnetkit.store.small_files import SmallFiles


def case_rows(
    graph: Graph,
    outcome: Outcome,
    store: SmallFiles,
    *,
    good: Sequence[CheckedCase],
    bad: Sequence[CheckedCase],
    folds: Mapping[str, int],
    phases: tuple[str, ...],
) -> list[CaseRow]:
    """Give a row for every case, in the order of ids: to be fused, failed or quarantined, with the reason."""
    by_key = {node.key: node for node in graph.nodes}
    rows = [_row(item, graph, outcome, store, folds, phases, by_key) for item in good]
    for item in bad:
        reason = "; ".join(str(fault) for fault in item.faults)
        rows.append(CaseRow(item.case.id, item.case.abnormal, None, "quarantined", reason, {}, None))
    return sorted(rows, key=lambda row: row.case_id)


def failures(nodes: CaseNodes, outcome: Outcome, by_key: Mapping[str, Node]) -> list[str]:
    """Say why a phase of a case has no finding: the failures of the nodes that its last ones build on.

    Looks only behind what was not made: behind a training lie the scans of all cases.
    """
    reasons: list[str] = []
    open_keys = [node.key for node in (nodes.classify, nodes.measure) if node is not None]
    seen: set[str] = set()
    while open_keys:
        key = open_keys.pop()
        if key in outcome.failed and key not in seen:
            node = by_key[key]
            reasons.append(f"{node.stage} of {node.label}: {outcome.failed[key].reason}")
        elif key in outcome.skipped and key not in seen:
            open_keys += by_key[key].needs
        seen.add(key)
    return sorted(set(reasons))


def _row(
    item: CheckedCase,
    graph: Graph,
    outcome: Outcome,
    store: SmallFiles,
    folds: Mapping[str, int],
    phases: tuple[str, ...],
    by_key: Mapping[str, Node],
) -> CaseRow:
    case, fold = item.case, folds[item.case.id]
    found: dict[str, PhaseRow] = {}
    reasons: list[str] = []
    for phase in phases:
        nodes = graph.cases.get((case.id, phase))
        if nodes is None:
            continue
        problems = failures(nodes, outcome, by_key)
        if problems:
            reasons += problems
            continue
        try:
            found[phase] = _phase_row(nodes, store)
        except (PnetkitError, OSError, ValueError, KeyError, TypeError) as error:
            reasons.append(
                f"its results of {phase} in the store cannot be read ({error}); delete them to make them again"
            )
    if reasons:
        return CaseRow(case.id, case.abnormal, fold, "failed", "; ".join(reasons), found, None, case.held_out)
    return CaseRow(case.id, case.abnormal, fold, "ok", "", found, None, case.held_out)


def _phase_row(nodes: CaseNodes, store: SmallFiles) -> PhaseRow:
    finding = classify.read(store, nodes.classify.ref)
    voxels = postprocess.read_voxels(store, nodes.postprocess.ref)
    if nodes.measure is None:
        return PhaseRow(finding, voxels, None)
    measured = measure.read(store, nodes.measure.ref)
    return PhaseRow(finding, voxels, measured.dice, measured.lesions, measured.surfaces)
