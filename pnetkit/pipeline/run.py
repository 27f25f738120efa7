"""Run a recipe on a cohort: take it in, lay out the stages, make what is missing, gather, write."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from pnetkit.errors import RunError
from pnetkit.evaluation.operating_point import OperatingPoint
from pnetkit.evaluation.summary import CaseRow, Metrics, summarize
from pnetkit.imaging.nifti import write_atomically
from pnetkit.interfaces import PhaseFusion
from pnetkit.networks import choose_device
from pnetkit.pipeline.budget import Fit, after_run, fit_budget, fitted
from pnetkit.pipeline.context import Context
from pnetkit.pipeline.costs import costs
from pnetkit.pipeline.described import describe_cases
from pnetkit.pipeline.device_fit import fit_to_device
from pnetkit.pipeline.engine import Outcome, run_nodes
from pnetkit.pipeline.estimate import StageEstimate, estimate
from pnetkit.pipeline.fusing import FittedFusion, fuse_rows, fusion_in_words, write_fitted
from pnetkit.pipeline.gpu_budget import held_on_gpu
from pnetkit.pipeline.layout import THREADS, Layout, Listener, RunRequest, Session, lay_out, open_session
from pnetkit.pipeline.node import digest
from pnetkit.pipeline.plan import Plan
from pnetkit.pipeline.plugins import build
from pnetkit.pipeline.provenance import hardware, versions
from pnetkit.pipeline.record import claim_folder, write_cases, write_lesions, write_run, write_segmentations
from pnetkit.pipeline.remarks import remarks
from pnetkit.pipeline.results import gather
from pnetkit.pipeline.store import Store, disk_errors_in_words
from pnetkit.pipeline.tuning import thresholds_in_words, tune
from pnetkit.recipe.check import resolved, to_yaml
from pnetkit.recipe.models import Recipe


@dataclass(frozen=True, slots=True)
class RunResult:
    """Hold the outcome of a run: recipe, folder, figures, cohort in words, what failed, and what was made anew.

    `made` counts results by stage; what the store held already is not in it.
    """

    recipe: str
    folder: Path
    repeat_seeds: tuple[int, ...]
    metrics: Metrics
    cohort: str
    thresholds: str
    failed: Mapping[str, str]
    made: Mapping[str, int]


def run(
    request: RunRequest,
    render_tables: Callable[[Metrics, str, str], str],
    listener: Listener,
    session: Session | None = None,
) -> RunResult:
    """Run a recipe to the end and write its folder; what the store holds already is not computed again.

    `render_tables` makes the text of `tables.md` from the figures, and the cohort and the origin of the
    thresholds in words.

    Raises:
        PnetkitError: the recipe, the cohort, a plugin, or the place of the results cannot be used.
    """
    started, began = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
    device = choose_device(request.device)
    request, fit = _within_budget(request, device, listener, session)
    recipe = request.loaded.recipe
    context = Context(request.store_root, device, THREADS, None if fit is None else fit.gpu_bytes)
    with ExitStack() as stack:
        session = session or stack.enter_context(open_session(request.device, request.workers))
        layout = lay_out(request, context.store, session, listener)
        plan, good, bad, folds = layout.plan, layout.good, layout.bad, layout.folds
        run_key = _run_key(request, layout)
        folder = request.out or Path("runs") / _folder_name(request, run_key)
        with disk_errors_in_words(folder):
            claim_folder(folder, run_key)
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / "recipe.yaml", to_yaml(resolved(recipe)).encode())
        listener.planned(plan.nodes)
        outcome = run_nodes(plan.nodes, session.executor, context, on_progress=listener.progress)
    rows, fitted, chosen = _decide(recipe, layout, outcome, context.store)
    said = [
        thresholds_in_words(recipe.operating_point, chosen),
        fusion_in_words(recipe.fusion.plugin, fitted),
        *remarks(recipe, plan, context.store),
    ]
    thresholds = " ".join(filter(None, said))
    metrics = summarize(rows, tuple(recipe.networks))
    with disk_errors_in_words(folder):
        write_cases(folder / "cases.csv", rows, tuple(recipe.networks))
        write_lesions(folder / "lesions.csv", rows)
        write_segmentations(folder / "segmentations", plan, context.store)
    record = _record(request, plan, outcome, context, cohort=layout.cohort, run_key=run_key, began=began)
    record |= describe_cases(recipe, [*good, *bad], folds)
    record["thresholds"] = thresholds
    record["costs"] = costs(recipe, plan, context.store)
    record["operating_points"] = {str(fold): None if point is None else asdict(point) for fold, point in chosen.items()}
    with disk_errors_in_words(folder):
        record["fusion"] = write_fitted(folder, plan.plugins["fusion"], fitted)
    record["seconds"] = round(time.perf_counter() - started, 1)
    record["workers"] = session.workers
    if fit is not None:
        record["memory"], lines = _memory_held(fit, plan, outcome, context.store)
        for line in lines:
            listener.say(line)
    with disk_errors_in_words(folder):
        write_run(folder, record, metrics, render_tables(metrics, layout.cohort, thresholds))
    failed = {f"{node.stage} of {node.label}": outcome.failed[node.key].reason for node in plan.nodes
              if node.key in outcome.failed}  # fmt: skip
    failed |= {f"fusion of fold {fold}": found.fault for fold, found in fitted.items() if found.fault}
    made = Counter(node.stage for node in plan.nodes if node.key in outcome.made)
    return RunResult(
        recipe.name, folder, recipe.training.repeat_seeds, metrics, layout.cohort, thresholds, failed, made
    )


def dry_run(request: RunRequest, listener: Listener) -> tuple[list[StageEstimate], int]:
    """Lay a run out, without making anything but missing phantoms; estimate what it would take, and the workers."""
    device, store = choose_device(request.device), Store(request.store_root)
    fit = fit_budget(request, device=device)
    for line in fit.lines:
        listener.say(line)
    request = fitted(request, fit)
    with open_session(request.device, request.workers) as session:
        layout = lay_out(request, store, session, listener)
    torch.set_num_threads(THREADS)  # as a worker would be
    predicted = {stage.stage: stage.bytes / 2**20 for stage in fit.stages}
    found = estimate(layout.plan.nodes, store, device=device)
    return [replace(of, peak_mib=predicted.get(of.stage, of.peak_mib)) for of in found], fit.workers


def _within_budget(
    request: RunRequest, device: str, listener: Listener, session: Session | None
) -> tuple[RunRequest, Fit | None]:
    """Fit a request into its budget, where it has one, and say how; the workers of a session are taken as they are."""
    if request.ram_bytes is None and request.vram_bytes is None:
        return request, None
    if session is not None:
        request = replace(request, workers=session.workers)
    fit = fit_budget(request, device=device)
    for line in fit.lines:
        listener.say(line)
    return fitted(request, fit), fit


def _memory_held(fit: Fit, plan: Plan, outcome: Outcome, store: Store) -> tuple[dict[str, Any], list[str]]:
    """Hold the peaks of what was made in this run against its budget: the record, and it in words."""
    made = {node.key: store.record(node.stage, node.key) for node in plan.nodes if node.key in outcome.made}
    known = {key: of for key, of in made.items() if of["peak_mib"] is not None}
    peaks = {key: (float(of["peak_before_mib"]), float(of["peak_mib"])) for key, of in known.items()}
    record, line = after_run(fit, plan.nodes, peaks)
    gpu_peaks = {key: float(of["gpu_peak_mib"]) for key, of in made.items() if of["gpu_peak_mib"] is not None}
    on_gpu, gpu_line = held_on_gpu(fit.gpu_bytes, plan.nodes, gpu_peaks)
    return record | on_gpu, [said for said in (line, gpu_line) if said]


def _decide(
    recipe: Recipe, layout: Layout, outcome: Outcome, store: Store
) -> tuple[list[CaseRow], dict[int, FittedFusion], dict[int, OperatingPoint | None]]:
    """Gather what the stages found, fuse the phases, and move thresholds where the recipe asks for it."""
    plan, names = layout.plan, tuple(recipe.networks)
    found = gather(plan, outcome, store, good=layout.good, bad=layout.bad, folds=layout.folds, phases=names)
    rows, fitted = fuse_rows(found, plan.plugins["fusion"], names, seed=recipe.training.seed)
    if recipe.operating_point is None:
        return rows, fitted, {}
    fusion: PhaseFusion = build(plan.plugins["fusion"])
    moved, chosen = tune(rows, fusion, names, recipe.operating_point)
    return moved, fitted, chosen


def require_success(result: RunResult) -> None:
    """Raise RunError naming what failed, if anything did; everything else is in the run's folder."""
    if not result.failed:
        return
    lines = [f"{len(result.failed)} parts of the run failed; all others are done and kept:"]
    lines += [f"  {where}: {reason}" for where, reason in result.failed.items()]
    raise RunError("\n".join([*lines, "Mend the causes and run the same command again: only these are tried anew."]))


def _run_key(request: RunRequest, layout: Layout) -> str:
    recipe, plan = request.loaded.recipe, layout.plan
    point = recipe.operating_point
    learned = {
        "seed": recipe.training.seed,
        "folds": dict(layout.folds),
    }  # trainings hold these too, where there are any
    return digest(
        {
            "nodes": sorted(node.key for node in plan.nodes),
            "fusion": plan.plugins["fusion"],
            "cases": {item.case.id: item.case.abnormal for item in layout.good},
            "bad": sorted(item.case.id for item in layout.bad),
            "name": recipe.name,
            "operating_point": None if point is None else point.model_dump(mode="json"),
        }
        | (learned if plan.fusion_is_trained else {})
    )


def _folder_name(request: RunRequest, run_key: str) -> str:
    profile = f"-{request.loaded.profile}" if request.loaded.profile else ""
    return f"{request.loaded.recipe.name}{profile}-{run_key[:8]}"


def _record(
    request: RunRequest, plan: Plan, outcome: Outcome, context: Context, *, cohort: str, run_key: str, began: str
) -> dict[str, Any]:
    """Put together what `run.json` says: what was run on what, with what, and where each result is."""
    settled = fit_to_device(request.loaded.recipe, context.device)
    return {
        "recipe": request.loaded.recipe.name,
        "profile": request.loaded.profile,
        "run_key": run_key,
        "cohort": cohort,
        "research_use_only": True,
        "began": began,
        "device": context.device,
        "threads": context.threads,
        "precision": {"training": settled.training.precision, "inference": settled.inference.precision},
        "versions": versions(),
        "hardware": hardware(context.device),
        "plugins": dict(plan.plugins),
        "backbone_parameters": plan.parameters,
        "networks": [
            {"input": name, "fold": fold, "train": nodes.train.key, "fit": None if nodes.fit is None else nodes.fit.key}
            for (name, fold), nodes in sorted(plan.folds.items())
        ],
        "stages": [{"stage": node.stage, "label": node.label, "key": node.key} for node in plan.nodes],
        "failed": [
            {"stage": node.stage, "label": node.label, "key": node.key, "reason": failure.reason}
            | ({"traceback": failure.traceback} if failure.traceback else {})
            for node in plan.nodes
            if (failure := outcome.failed.get(node.key)) is not None
        ],
    }
