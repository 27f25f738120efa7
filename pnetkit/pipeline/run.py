"""Run a recipe on a cohort: lay it out, claim a folder, make what is missing, gather, write."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from pnetkit.errors import ReportError, RunError, StoreError, counted
from pnetkit.evaluation.summary import Metrics
from pnetkit.files import disk_errors_in_words
from pnetkit.method.device_fit import precision_hint, weakest
from pnetkit.pipeline.budget.estimate import StageEstimate, estimate
from pnetkit.pipeline.budget.fit import Fit, fit_budget, fitted, require_dealable
from pnetkit.pipeline.budget.held import memory_held
from pnetkit.pipeline.engine.dask_lanes import DaskLanes
from pnetkit.pipeline.engine.machine import Machine
from pnetkit.pipeline.engine.schedule import Outcome, run_nodes
from pnetkit.pipeline.engine.session import Listener, Session, open_session
from pnetkit.pipeline.engine.workers import THREADS
from pnetkit.pipeline.outcome.cases_csv import write_cases
from pnetkit.pipeline.outcome.folder import claim_folder, write_figures, write_record, write_segmentations
from pnetkit.pipeline.outcome.fusing import write_fitted
from pnetkit.pipeline.outcome.gathered import Gathered, gather
from pnetkit.pipeline.outcome.lesions_csv import write_lesions
from pnetkit.pipeline.outcome.pages.run_page import REPORT, digest_of_results, pictured_in, report_run
from pnetkit.pipeline.outcome.record import AFTER, failures, run_record
from pnetkit.pipeline.plan.layout import Layout, lay_out
from pnetkit.pipeline.plan.request import RunRequest
from pnetkit.pipeline.stages.context import Context
from pnetkit.recipe.check import resolved, to_yaml
from pnetkit.report.further import run_further_tables
from pnetkit.report.tables import run_tables, to_markdown
from pnetkit.store.code_change import plugins_of
from pnetkit.store.holders import note_holder
from pnetkit.store.locks import locked
from pnetkit.store.store import Store

MOST_PICTURED = 1000
"""The cases of a run that ends with its page; 400 take half a minute of a processor."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """Hold the outcome of a run: recipe, folder, figures, cohort in words, what failed, and what was made anew.

    `made` counts results by stage, and `made_elsewhere` those that other processes made meanwhile; what the store held
    already is in neither. `metrics` is None where the figures could not be counted.
    """

    recipe: str
    folder: Path
    repeat_seeds: tuple[int, ...]
    metrics: Metrics | None
    cohort: str
    thresholds: str
    failed: Mapping[str, str]
    made: Mapping[str, int]
    made_elsewhere: Mapping[str, int] = field(default_factory=dict)


def run(request: RunRequest, listener: Listener, session: Session | None = None) -> RunResult:
    """Run a recipe to the end and write its folder; what the store holds already is not computed again.

    Raises:
        PnetkitError: the recipe, the cohort, a plugin, or the place of the results cannot be used.
    """
    times = _Times(datetime.now(UTC), time.perf_counter())
    machine = request.machine() if session is None else session.machine
    request, machine, fit = _within_budget(request, machine, listener, session)
    request = _within_reach(request)
    gpu_bytes = None if fit is None else fit.gpu_bytes
    context = Context(
        request.store_root,
        request.device,
        THREADS,
        gpu_bytes,
        helpers=machine.helpers_beside(request.device),
        raises=request.raises,
    )
    hint = None if request.predictions is not None else precision_hint(request.loaded.recipe, request.device)
    if hint is not None:
        listener.say(hint)
    with _shared(session, machine, request.engine) as lanes:
        _prepare(lanes, request, listener)
        layout = lay_out(request, context.store, lanes, listener)
        folder = _claimed(request, layout, context.store)
        listener.opened(folder)
        listener.planned(layout.graph.nodes)
        outcome = run_nodes(layout.graph.nodes, lanes.lanes, context, on_progress=listener.progress)
    gone = outcome.failed.keys() | outcome.skipped
    context.store.await_results(node.ref for node in layout.graph.nodes if node.key not in gone)
    found = gather(request.loaded.recipe, layout, outcome, context.store, raises=request.raises)
    record = run_record(folder, request, layout, outcome, context, found)
    with disk_errors_in_words(folder), locked(request.store_root, f"run-{layout.run_key[:32]}"):  # others may end now
        _write(folder, request, layout, context, found)
        record |= {
            "fusion": _fitted(folder, layout, found),
            **_used(lanes),
            **_memory(fit, layout, outcome, context.store, listener),
            "failed": failures(layout, outcome, found),
        }
        record |= times.told()
        pictured, shown = pictured_in(folder), digest_of_results(folder, record["failed"])
        write_record(folder, record | {"pictured": pictured})
        if request.report and pictured != shown and _is_page_due(folder, layout, listener):
            listener.say("Writing the report.")
            found.attempts.of("report", lambda: _report(folder, layout, context), None)
            is_made = "report" not in found.attempts.failed
            failed = {} if is_made else {"failed": failures(layout, outcome, found)}
            write_record(folder, record | failed | {"pictured": shown if is_made else None})
    return _result(request, folder, layout, outcome, found)


def dry_run(request: RunRequest, listener: Listener) -> tuple[list[StageEstimate], Machine]:
    """Lay a run out, without making anything but missing phantoms; estimate what it would take, and on what."""
    store, machine = Store(request.store_root), request.machine()
    require_dealable(request, machine)
    device = weakest(request.loaded.recipe, machine.devices)
    request = replace(request, device=device)
    fit = fit_budget(request, machine)
    for line in (*fit.lines, fit.machine.in_words()):
        listener.say(line)
    request = fitted(request, fit)
    with open_session(fit.machine) as session:
        layout = lay_out(request, store, session, listener, note=False)
    torch.set_num_threads(THREADS)  # as a worker would be
    predicted = {stage.stage: stage.bytes / 2**20 for stage in fit.stages}
    found = estimate(layout.graph.nodes, store, device=device)
    return [replace(of, peak_mib=predicted.get(of.stage, of.peak_mib)) for of in found], fit.machine


def require_success(result: RunResult) -> None:
    """Raise RunError naming what failed, if anything did; everything else is in the run's folder."""
    if not result.failed:
        return
    lines = [f"{counted(len(result.failed), 'part')} of the run failed; all others are done and kept:"]
    lines += [f"  {where}: {reason}" for where, reason in result.failed.items()]
    raise RunError("\n".join([*lines, "Mend the causes and run the same command again: only these are tried anew."]))


@dataclass(frozen=True, slots=True)
class _Times:
    """When a run began, by the calendar and by a clock that only goes on."""

    began: datetime
    started: float

    def told(self) -> dict[str, Any]:
        """Give what the record says of it, now."""
        return {
            "began": self.began.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - self.started, 1),
        }


@contextmanager
def _shared(session: Session | None, machine: Machine, engine: str) -> Iterator[Session]:
    """Give the session that runs share, or one for this run alone."""
    if session is not None:
        yield session
        return
    with open_session(machine, engine) as own:
        yield own


def _within_reach(request: RunRequest) -> RunRequest:
    """Give a request whose paths other machines find: their workers begin in other folders."""
    if request.engine == "processes":
        return request
    if request.ram_bytes is not None or request.vram_bytes is not None:
        raise RunError(
            "--ram and --vram hold for the lanes of one machine. With --engine, limit the cluster's workers."
        )
    if request.per_training > 1:
        raise RunError("--devices-per-training is for the devices of one machine; with --engine a worker has one.")
    predictions = request.predictions
    if predictions is not None:
        predictions = replace(predictions, folder=predictions.folder.absolute())
    table = None if request.table is None else request.table.absolute()
    return replace(request, store_root=request.store_root.absolute(), table=table, predictions=predictions)


def _prepare(session: Session, request: RunRequest, listener: Listener) -> None:
    """Hold a cluster, where stages are made by one, to what this run needs of it."""
    if isinstance(session.lanes, DaskLanes):
        plugins = plugins_of(request.loaded.recipe)
        for line in session.lanes.prepare(request.store_root, plugins, device=request.device):
            listener.say(line)


def _within_budget(
    request: RunRequest, machine: Machine, listener: Listener, session: Session | None
) -> tuple[RunRequest, Machine, Fit | None]:
    """Fit a request into its budget, where it has one, and say how; the lanes of a session are taken as they are.

    The device of the request becomes the one whose numbers every device of the machine computes in.
    """
    require_dealable(request, machine)
    request = replace(request, device=weakest(request.loaded.recipe, machine.devices))
    if request.ram_bytes is None and request.vram_bytes is None:
        return request, machine, None
    fit = fit_budget(request, machine)
    for line in fit.lines:
        listener.say(line)
    return fitted(request, fit), machine if session is not None else fit.machine, fit


def _used(session: Session) -> dict[str, Any]:
    """Give what the record says of the lanes; without GPUs there is nothing but workers."""
    machine = session.machine
    if isinstance(session.lanes, DaskLanes):
        return {"engine": "dask", "workers": session.lanes.size}
    spread = {} if machine.per_training == 1 else {"devices_per_training": machine.per_training}
    if not machine.gpus or not machine.workers:
        return {"workers": machine.workers} | spread
    gpus = {"gpus": list(machine.gpus), "gpu_workers": machine.gpu_workers or machine.a_gpu}
    return {"workers": machine.workers} | gpus | spread


def _claimed(request: RunRequest, layout: Layout, store: Store) -> Path:
    """Take the folder that was asked for, or one named after recipe and key, for this run, and note what it needs."""
    loaded = request.loaded
    profile = f"-{loaded.profile}" if loaded.profile else ""
    folder = request.out or Path("runs") / f"{loaded.recipe.name}{profile}-{layout.run_key[:8]}"
    with disk_errors_in_words(folder):
        claim_folder(folder, layout.run_key, to_yaml(resolved(loaded.recipe)))
        note_holder(store, layout.run_key, folder, [node.ref for node in layout.graph.nodes])
    return folder


def _write(folder: Path, request: RunRequest, layout: Layout, context: Context, found: Gathered) -> None:
    """Write what was found; a part that cannot be written does not keep the others from it."""
    names = tuple(request.loaded.recipe.networks)
    write_cases(folder, found.rows, names)
    attempts, metrics = found.attempts, found.metrics
    attempts.of("lesions", lambda: write_lesions(folder, found.rows), None)
    attempts.of("segmentations", lambda: write_segmentations(folder, layout.graph, context.store), None)
    if metrics is not None:
        name = request.loaded.recipe.name
        tables = run_tables(metrics, method=name, cohort=layout.cohort, thresholds=found.thresholds)
        tables += run_further_tables(metrics, method=name, cohort=layout.cohort)
        attempts.of("tables", lambda: write_figures(folder, metrics, "\n".join(map(to_markdown, tables))), None)


def _is_page_due(folder: Path, layout: Layout, listener: Listener) -> bool:
    """Tell whether a run ends with its page: not one of thousands of cases."""
    cases = len(layout.good) + len(layout.bad)
    if cases > MOST_PICTURED:
        listener.say(f"No {REPORT}: pictures of {cases} cases take minutes. `pnetkit report {folder}` makes it.")
        return False
    return True


def _report(folder: Path, layout: Layout, context: Context) -> None:
    """Write the page of the run, which is read back from its folder. Raises ReportError where it cannot be made."""
    files = {(item.case.id, phase): scan for item in layout.good for phase, scan in item.case.scans.items()}
    try:
        report_run(folder, store=context.store_root, files=files)
    except StoreError as error:  # a part of the folder that could not be written: the others stay
        raise ReportError(str(error)) from error


def _fitted(folder: Path, layout: Layout, found: Gathered) -> dict[str, Any]:
    identity = layout.graph.plugins["fusion"]
    return found.attempts.of("fusion", lambda: write_fitted(folder, identity, found.fitted), {})


def _memory(fit: Fit | None, layout: Layout, outcome: Outcome, store: Store, listener: Listener) -> dict[str, Any]:
    if fit is None:
        return {}
    record, lines = memory_held(fit, layout.graph.nodes, outcome.made, store)
    for line in lines:
        listener.say(line)
    return {"memory": record}


def _result(request: RunRequest, folder: Path, layout: Layout, outcome: Outcome, found: Gathered) -> RunResult:
    recipe = request.loaded.recipe
    failed = {
        item["label"] if item["stage"] == AFTER else f"{item['stage']} of {item['label']}": item["reason"]
        for item in failures(layout, outcome, found)
    }
    failed |= {f"fusion of fold {fold}": of.fault for fold, of in found.fitted.items() if of.fault}
    made = Counter(node.stage for node in layout.graph.nodes if node.key in outcome.made)
    elsewhere = Counter(node.stage for node in outcome.by_others(layout.graph.nodes))
    return RunResult(
        recipe.name,
        folder,
        recipe.training.repeat_seeds,
        found.metrics,
        layout.cohort,
        found.thresholds,
        failed,
        made,
        elsewhere,
    )
