"""What `run.json` says: what was run on what, with what, where each result is, and what failed."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pnetkit.method.device_fit import fit_to_device
from pnetkit.pipeline.engine.failure import Failure
from pnetkit.pipeline.engine.schedule import Outcome
from pnetkit.pipeline.outcome.costs import costs
from pnetkit.pipeline.outcome.described import describe_cases
from pnetkit.pipeline.outcome.gathered import Gathered
from pnetkit.pipeline.plan.layout import Layout
from pnetkit.pipeline.plan.request import RunRequest
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.train import spacing_of
from pnetkit.provenance import hardware, versions
from pnetkit.store.node import Node

AFTER = "after the stages"
"""Stands in the place of a stage where something failed that none of them does."""


def run_record(
    folder: Path, request: RunRequest, layout: Layout, outcome: Outcome, context: Context, found: Gathered
) -> dict[str, Any]:
    """Put together what a run's record says, but its times."""
    recipe, graph = request.loaded.recipe, layout.graph
    settled = fit_to_device(recipe, context.device)
    return {
        "recipe": recipe.name,
        "profile": request.loaded.profile,
        "run_key": layout.run_key,
        "cohort": layout.cohort,
        "research_use_only": True,
        "store": os.path.relpath(context.store_root.resolve(), folder.resolve()),  # both may move together
        "device": context.device,
        "threads": context.threads,
        "precision": {"training": settled.training.precision, "inference": settled.inference.precision},
        "versions": versions(),
        "hardware": hardware(context.device),
        "plugins": dict(graph.plugins),
        "backbone_parameters": graph.parameters,
        **({} if recipe.preprocess.rules_on == "scan" else {"rules_on": recipe.preprocess.rules_on}),
        **({} if graph.started is None else {"started_from": [dict(graph.started)]}),
        "networks": [
            {"input": name, "fold": fold, "train": nodes.train.key, "fit": None if nodes.fit is None else nodes.fit.key}
            | _at_spacing(nodes.train)
            for (name, fold), nodes in sorted(graph.folds.items())
        ],
        "stages": [_stage(node) | {"made": made_by(node, outcome)} for node in graph.nodes],
        "failed": failures(layout, outcome, found),
        "thresholds": found.thresholds,
        "costs": found.attempts.of("costs", lambda: costs(recipe, graph, context.store), dict[str, Any]()),
        "operating_points": {
            str(fold): None if point is None else asdict(point) for fold, point in found.chosen.items()
        },
        **describe_cases(recipe, [*layout.good, *layout.bad], layout.folds),
    }


def failures(layout: Layout, outcome: Outcome, found: Gathered) -> list[dict[str, Any]]:
    """Name everything that failed, stages first."""
    failed = [
        _stage(node) | _why(failure)
        for node in layout.graph.nodes
        if (failure := outcome.failed.get(node.key)) is not None
    ]
    failed += [{"stage": AFTER, "label": what} | _why(failure) for what, failure in found.attempts.failed.items()]
    return failed


def made_by(node: Node, outcome: Outcome) -> str | None:
    """Say of a result whether this call made it, found it, or another process made it meanwhile; None without one."""
    if node.key in outcome.failed or node.key in outcome.skipped:
        return None
    if node.key in outcome.made:
        return "here"
    return "before" if node.key in outcome.before else "elsewhere"


def _at_spacing(network: Node) -> dict[str, Any]:
    spacing_mm = spacing_of(network)
    return {} if spacing_mm is None else {"spacing_mm": list(spacing_mm)}


def _stage(node: Node) -> dict[str, Any]:
    """Name a result and what it is of: an input, and a case or the folds that a network was trained without."""
    of = node.subject
    return {
        "stage": node.stage,
        "label": node.label,
        "input": of.input,
        "case": of.case_id,
        "folds": list(of.folds),
        "key": node.key,
    }


def _why(failure: Failure) -> dict[str, Any]:
    more = {"traceback": failure.traceback} if failure.traceback else {}
    return {"reason": failure.reason, **more}
