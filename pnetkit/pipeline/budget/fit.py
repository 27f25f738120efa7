"""Keep a run within a memory budget: predict, take as many workers as fit, say afterwards whether it was kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pnetkit.errors import Fault, RecipeError
from pnetkit.method.device_fit import fewest_windows, fit_to_device
from pnetkit.pipeline.budget.ram import (
    StageMemory,
    cohort_size,
    in_main_memory,
    network_memory,
    predict_memory,
    with_batch,
)
from pnetkit.pipeline.budget.vram import REMEDIES, fit_vram, may_change_batch
from pnetkit.pipeline.engine.workers import default_workers
from pnetkit.pipeline.plan.request import RunRequest
from pnetkit.process_memory import peak_memory_mib
from pnetkit.recipe.models import Recipe
from pnetkit.store.node import Node

MAIN_BYTES = 64 * 2**20
"""What the process that hands out the work still takes, for tables and records."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Say how a run fits its budget: workers, windows at once, what is predicted for each stage, and it in words.

    `batch_size` is None where the recipe's fits. `worker_bytes` is what one worker may take, `gpu_bytes` of the GPU's
    memory; None without a limit.
    """

    workers: int
    batch_size: int | None
    stages: tuple[StageMemory, ...]
    worker_bytes: int | None
    gpu_bytes: int | None
    lines: tuple[str, ...]


def fit_budget(request: RunRequest, *, device: str) -> Fit:
    """Predict a request's memory and choose the workers that the budget allows.

    Only what changes no result is changed: the number of workers, and of windows that are run at once.

    Raises:
        RecipeError: not even one worker fits; it names the stage, the prediction, what is allowed and what to change.
    """
    recipe = fit_to_device(request.loaded.recipe, device)
    wanted = default_workers(device) if request.workers is None else request.workers
    size, network = cohort_size(recipe, request.table), network_memory(recipe)
    adopted = request.predictions is not None
    asked, workers, lines = recipe.inference.windows_at_once, wanted, []
    batch, least = asked, fewest_windows(recipe, device)
    if request.vram_bytes is not None and not device.startswith("cuda"):
        lines.append(f"--vram: nothing runs on a GPU (the device is {device}), so there is nothing to keep to.")
    elif request.vram_bytes is not None and not adopted:
        batch, workers, line = fit_vram(recipe, network, request.vram_bytes, workers)
        lines.append(line)
    own = int((peak_memory_mib() or 0) * 2**20) + MAIN_BYTES
    if request.ram_bytes is None:
        stages = predict_memory(in_main_memory(with_batch(recipe, batch), device), size, network, adopted=adopted)
        lines.append(_in_words(stages, own, workers, None))
        return Fit(workers, _other(batch, asked), tuple(stages), None, _share(request, workers), tuple(lines))
    room = request.ram_bytes - (own if workers else own - network.bare_bytes)
    while True:
        stages = predict_memory(in_main_memory(with_batch(recipe, batch), device), size, network, adopted=adopted)
        largest = max(stages, key=lambda stage: stage.bytes)
        fits = room // largest.bytes
        if fits >= 1:
            break
        if largest.stage != "segment" or batch <= least or device != "cpu" or not may_change_batch(recipe):
            raise _refused(recipe, largest, room, request.ram_bytes, own)
        batch = max(batch // 2, least)
    workers = min(workers, fits)
    lines.append(_in_words(stages, own, workers, request.ram_bytes))
    if batch < asked:
        lines.append(f"Memory: {batch} windows at once instead of {asked}; no label changes.")
    return Fit(
        workers, _other(batch, asked), tuple(stages), room // max(workers, 1), _share(request, workers), tuple(lines)
    )


def _share(request: RunRequest, workers: int) -> int | None:
    return None if request.vram_bytes is None else request.vram_bytes // max(workers, 1)


def _other(batch: int, asked: int) -> int | None:
    return None if batch == asked else batch


def fitted(request: RunRequest, fit: Fit) -> RunRequest:
    """Give the request with what the budget decided."""
    if fit.batch_size is None:
        return replace(request, workers=fit.workers)
    loaded = replace(request.loaded, recipe=with_batch(request.loaded.recipe, fit.batch_size))
    return replace(request, loaded=loaded, workers=fit.workers)


def after_run(fit: Fit, nodes: Sequence[Node], peaks: Mapping[str, tuple[float, float]]) -> tuple[dict[str, Any], str]:
    """Hold recorded peaks against what a worker may take: the record for `run.json`, and one line.

    `peaks` are by key of the nodes made in this run: MiB that the worker had held before and after. A worker keeps what
    it was given, so a stage answers for a peak only where it raised it.
    """
    raised = [
        (node, peaks[node.key][1]) for node in nodes if node.key in peaks and peaks[node.key][1] > peaks[node.key][0]
    ]
    measured: dict[str, float] = {}
    for node, peak in raised:
        measured[node.stage] = max(peak, measured.get(node.stage, 0.0))
    record: dict[str, Any] = {
        "predicted_mib": {stage.stage: _mib(stage.bytes) for stage in fit.stages},
        "measured_mib": measured,
        "allowed_worker_mib": None if fit.worker_bytes is None else _mib(fit.worker_bytes),
    }
    if not raised:
        return record | {"exceeded": []}, "Memory: nothing was made, so nothing was measured."
    node, peak = max(raised, key=lambda item: item[1])
    if fit.worker_bytes is None:
        return record | {
            "exceeded": []
        }, f"Memory: a worker held {peak:.0f} MiB at most ({node.stage} of {node.label})."
    over = [(n, p) for n, p in raised if p * 2**20 > fit.worker_bytes]
    record["exceeded"] = [{"stage": n.stage, "label": n.label, "peak_mib": p} for n, p in over]
    allowed = f"{_mib(fit.worker_bytes):.0f} MiB that a worker may take"
    if not over:
        return (
            record,
            f"Memory: kept. A worker held {peak:.0f} MiB at most ({node.stage} of {node.label}), of {allowed}.",
        )
    return record, (
        f"Memory: EXCEEDED. {node.stage} of {node.label} held {peak:.0f} MiB, more than the {allowed}. The prediction "
        f"was too low; give a smaller --ram or fewer --workers, and please report it."
    )


def _refused(recipe: Recipe, largest: StageMemory, room: int, ram_bytes: int, own: int) -> RecipeError:
    message = (
        f"predicted {_gb(largest.bytes)} for one worker, of {_gb(ram_bytes)} (--ram) there are {_gb(max(room, 0))} for "
        f"workers, {_gb(own)} go to the process that hands out the work; "
        f"{REMEDIES.get(largest.stage, 'its size is that of the largest scan')}, or give more --ram"
    )
    return RecipeError(f"The recipe {recipe.name} does not fit the memory:", [Fault(largest.stage, message)])


def _in_words(stages: Sequence[StageMemory], own: int, workers: int, ram_bytes: int | None) -> str:
    largest = max(stages, key=lambda stage: stage.bytes)
    total = own + max(workers, 1) * largest.bytes
    allow = "" if ram_bytes is None else f"{_gb(ram_bytes)} allow "
    many = "no worker process" if workers == 0 else f"{workers} worker{'s' if workers > 1 else ''}"
    return (
        f"Memory: predicted at most {_gb(largest.bytes)} for a worker ({largest.stage}) and {_gb(own)} for this "
        f"process; {allow}{many}, {_gb(total)} in all."
    )


def _mib(count: float) -> float:
    return round(count / 2**20, 1)


def _gb(count: float) -> str:
    return f"{count / 1e9:.2f} GB"
