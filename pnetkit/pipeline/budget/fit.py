"""Keep a run within a memory budget: predict, take the workers that fit in each lane, say if it was kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pnetkit.errors import Fault, RecipeError, counted
from pnetkit.method.device_fit import fewest_windows, fit_to_device, weakest
from pnetkit.pipeline.budget.ram import (
    StageMemory,
    cohort_size,
    in_main_memory,
    network_memory,
    predict_memory,
    with_batch,
)
from pnetkit.pipeline.budget.vram import REMEDIES, fit_vram, may_change_batch
from pnetkit.pipeline.engine.machine import Machine
from pnetkit.pipeline.plan.request import RunRequest
from pnetkit.pipeline.stages.needs import CPU, Needs
from pnetkit.pipeline.stages.table import STAGES
from pnetkit.process_memory import peak_memory_mib
from pnetkit.recipe.models import Recipe
from pnetkit.store.node import Node
from pnetkit.training.parts import dividing

MAIN_BYTES = 64 * 2**20
"""What the process that hands out the work still takes, for tables and records."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Say how a run fits its budget: the machine as it is used, windows at once, memory by stage, and it in words.

    `batch_size` is None where the recipe's fits. `worker_bytes` is what a worker on the processor may take of its
    memory, `gpu_worker_bytes` what one of a GPU may take of the same; `gpu_bytes` what all tasks on one GPU may take of
    the GPU's. None without a limit.
    """

    machine: Machine
    batch_size: int | None
    stages: tuple[StageMemory, ...]
    worker_bytes: int | None
    gpu_worker_bytes: int | None
    gpu_bytes: int | None
    lines: tuple[str, ...]


def fit_budget(request: RunRequest, machine: Machine) -> Fit:
    """Predict a request's memory and choose the workers of each lane that the budget allows.

    Only what changes no result is changed: the number of workers, of GPUs, and of windows that are run at once.

    Raises:
        RecipeError: not even one worker of each lane fits; it names the stage, the prediction, what is allowed and what
            to change.
    """
    device = machine.devices[0]
    recipe = fit_to_device(request.loaded.recipe, weakest(request.loaded.recipe, machine.devices))
    size, network = cohort_size(recipe, request.table), network_memory(recipe)
    adopted = request.predictions is not None
    asked, lines = recipe.inference.windows_at_once, []
    batch, least = asked, fewest_windows(recipe, device)
    if request.vram_bytes is not None and not device.startswith("cuda"):
        lines.append(f"--vram: nothing runs on a GPU (the device is {device}), so there is nothing to keep to.")
    elif request.vram_bytes is not None and not adopted:
        batch, machine, line = fit_vram(recipe, network, request.vram_bytes, machine)
        lines.append(line)
    own = int((peak_memory_mib() or 0) * 2**20) + MAIN_BYTES
    while True:
        stages = predict_memory(in_main_memory(with_batch(recipe, batch), device), size, network, adopted=adopted)
        stages = [_of_all_processes(stage, machine) for stage in stages]
        if request.ram_bytes is None:
            lines.append(_in_words(stages, own, machine, None))
            return Fit(machine, _other(batch, asked), tuple(stages), None, None, request.vram_bytes, tuple(lines))
        room = request.ram_bytes - (own if machine.workers else own - network.bare_bytes)
        fits = _within(machine, stages, room)
        if fits is not None:
            break
        largest = max(stages, key=lambda stage: stage.bytes)
        if largest.stage != "segment" or batch <= least or device != "cpu" or not may_change_batch(recipe):
            raise _refused(recipe, machine, stages, room, request.ram_bytes, own)
        batch = max(batch // 2, least)
    lines.append(_in_words(stages, own, fits, request.ram_bytes))
    if batch < asked:
        lines.append(f"Memory: {batch} windows at once instead of {asked}; no label changes.")
    if (fits.gpus, fits.a_gpu) != (machine.gpus, machine.a_gpu):
        lines.append(f"Memory: of the GPUs {', '.join(fits.gpus)}, with {counted(fits.a_gpu, 'worker')} each.")
    on_cores, on_gpu = _of_lanes(fits, stages)
    stretch = room / _together(fits, stages)  # what is left over is everybody's, in proportion
    return Fit(
        machine=fits,
        batch_size=_other(batch, asked),
        stages=tuple(stages),
        worker_bytes=int(on_cores.bytes * stretch),
        gpu_worker_bytes=None if on_gpu is None else int(on_gpu.bytes * stretch),
        gpu_bytes=request.vram_bytes,
        lines=tuple(lines),
    )


def require_dealable(request: RunRequest, machine: Machine) -> None:
    """Raise RecipeError where a batch of the recipe cannot be dealt out to the processes of a training."""
    count, training = machine.per_training, request.loaded.recipe.training
    if request.predictions is None and training.accumulation % count:
        message = (
            f"cuts a batch of {training.batch_size} into {counted(training.accumulation, 'part')}, which cannot be "
            f"dealt out to {count} processes (--devices-per-training). Give --devices-per-training "
            f"{dividing(training.accumulation)}, or set training.accumulation to a multiple of {count} (other results)"
        )
        raise RecipeError(
            f"The recipe {request.loaded.recipe.name} cannot be trained by so many processes:",
            [Fault("training.accumulation", message)],
        )


def _of_lanes(machine: Machine, stages: Sequence[StageMemory]) -> tuple[StageMemory, StageMemory | None]:
    """Give the largest stage of the workers on the processor, and that of a GPU's workers where they are others."""
    if not machine.gpu_processes:
        return max(stages, key=lambda stage: stage.bytes), None
    on_gpu = [stage for stage in stages if _needs(stage.stage).is_for_gpu]
    others = [stage for stage in stages if not _needs(stage.stage).is_for_gpu]
    largest = max(others, key=lambda stage: stage.bytes)
    return largest, max(on_gpu, key=lambda stage: stage.bytes) if on_gpu else None


def _of_all_processes(stage: StageMemory, machine: Machine) -> StageMemory:
    """Count the helpers of a training with it; those on GPUs stand in for workers of theirs, which are counted."""
    spreads = _needs(stage.stage).spreads and not machine.gpus
    return replace(stage, bytes=stage.bytes * (machine.per_training if spreads else 1))


def _needs(stage: str) -> Needs:
    return STAGES[stage].needs if stage in STAGES else CPU  # checks and phantoms are no stages


def _together(machine: Machine, stages: Sequence[StageMemory]) -> int:
    """Give what all workers hold at the most."""
    on_cores, on_gpu = _of_lanes(machine, stages)
    return max(machine.workers, 1) * on_cores.bytes + (0 if on_gpu is None else machine.gpu_processes * on_gpu.bytes)


def _within(machine: Machine, stages: Sequence[StageMemory], room: int) -> Machine | None:
    """Give the machine with the workers that fit: fewer on the processor first, then of each GPU, then fewer GPUs."""
    for fewer in _fewer_on_gpus(machine):
        least = replace(fewer, workers=min(fewer.workers, 1))
        spare = room - _together(least, stages)
        if spare >= 0:
            more = spare // _of_lanes(fewer, stages)[0].bytes
            return replace(fewer, workers=min(fewer.workers, 1 + more))
    return None


def _fewer_on_gpus(machine: Machine) -> Iterator[Machine]:
    """Give a machine, then with fewer workers of each GPU down to one, then with fewer GPUs."""
    yield machine
    for count in range(machine.a_gpu - 1, 0, -1) if machine.gpus else ():
        yield replace(machine, gpu_workers=count)
    for count in range(len(machine.gpus) - 1, machine.per_training - 1, -1):
        yield replace(machine, gpus=machine.gpus[:count], gpu_workers=1)


def _other(batch: int, asked: int) -> int | None:
    return None if batch == asked else batch


def fitted(request: RunRequest, fit: Fit) -> RunRequest:
    """Give the request with what the budget decided of the recipe; its lanes are `fit.machine`."""
    if fit.batch_size is None:
        return request
    loaded = replace(request.loaded, recipe=with_batch(request.loaded.recipe, fit.batch_size))
    return replace(request, loaded=loaded)


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
        **({} if fit.gpu_worker_bytes is None else {"allowed_gpu_worker_mib": _mib(fit.gpu_worker_bytes)}),
    }
    if not raised:
        return record | {"exceeded": []}, "Memory: nothing was made, so nothing was measured."
    node, peak = max(raised, key=lambda item: item[1])
    if fit.worker_bytes is None:
        return record | {
            "exceeded": []
        }, f"Memory: a worker held {peak:.0f} MiB at most ({node.stage} of {node.label})."
    over = [(n, p) for n, p in raised if p * 2**20 > _allowed(fit, n)]
    record["exceeded"] = [{"stage": n.stage, "label": n.label, "peak_mib": p} for n, p in over]
    if over:
        node, peak = max(over, key=lambda item: item[1] * 2**20 / _allowed(fit, item[0]))
    allowed = f"{_mib(_allowed(fit, node)):.0f} MiB that a worker may take"
    if not over:
        return (
            record,
            f"Memory: kept. A worker held {peak:.0f} MiB at most ({node.stage} of {node.label}), of {allowed}.",
        )
    return record, (
        f"Memory: EXCEEDED. {node.stage} of {node.label} held {peak:.0f} MiB, more than the {allowed}. The prediction "
        f"was too low; give a smaller --ram or fewer --workers, and please report it."
    )


def _allowed(fit: Fit, node: Node) -> int:
    """Give what the worker that made a node might take."""
    on_gpu = fit.gpu_worker_bytes if _needs(node.stage).is_for_gpu else None
    return on_gpu or fit.worker_bytes or 0


def _refused(
    recipe: Recipe, machine: Machine, stages: Sequence[StageMemory], room: int, ram_bytes: int, own: int
) -> RecipeError:
    on_cores, on_gpu = _of_lanes(machine, stages)
    largest = max((of for of in (on_cores, on_gpu) if of is not None), key=lambda stage: stage.bytes)
    beside = on_cores if largest is on_gpu else on_gpu
    also = "" if beside is None else f" and {_gb(beside.bytes)} for one beside it ({beside.stage})"
    message = (
        f"predicted {_gb(largest.bytes)} for one worker{also}, of {_gb(ram_bytes)} (--ram) there are "
        f"{_gb(max(room, 0))} for workers, {_gb(own)} go to the process that hands out the work; "
        f"{REMEDIES.get(largest.stage, 'its size is that of the largest scan')}, or give more --ram"
    )
    return RecipeError(f"The recipe {recipe.name} does not fit the memory:", [Fault(largest.stage, message)])


def _in_words(stages: Sequence[StageMemory], own: int, machine: Machine, ram_bytes: int | None) -> str:
    on_cores, on_gpu = _of_lanes(machine, stages)
    total = own + _together(machine, stages)
    allow = "" if ram_bytes is None else f"{_gb(ram_bytes)} allow "
    many = "no worker process" if machine.workers == 0 else counted(machine.workers, "worker")
    of_gpu, and_gpu = "", ""
    if on_gpu is not None:
        of_gpu = f", {_gb(on_gpu.bytes)} for one of a GPU ({on_gpu.stage})"
        and_gpu = f" and {machine.gpu_processes} of GPUs"
    return (
        f"Memory: predicted at most {_gb(on_cores.bytes)} for a worker ({on_cores.stage}){of_gpu} and {_gb(own)} for "
        f"this process; {allow}{many}{and_gpu}, {_gb(total)} in all."
    )


def _mib(count: float) -> float:
    return round(count / 2**20, 1)


def _gb(count: float) -> str:
    return f"{count / 1e9:.2f} GB"
