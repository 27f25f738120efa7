"""Keep a run within a GPU's memory: predict, take as many workers and windows as fit, say afterwards what was held."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pnetkit.errors import Fault, RecipeError
from pnetkit.method.parts import take_apart
from pnetkit.pipeline.budget.proposal import OVERHEAD, USABLE
from pnetkit.pipeline.budget.ram import NetworkMemory, micro_batch_voxels, step_bytes_per_voxel, views_bytes_per_voxel
from pnetkit.pipeline.engine.machine import Machine
from pnetkit.pipeline.stages.table import STAGES
from pnetkit.pipeline.stages.train import training_plan
from pnetkit.recipe.models import Recipe
from pnetkit.store.node import Node
from pnetkit.training.optimizer import copies_of_weights

AUTOCAST = 0.6
"""What a training in half precision keeps for its backward pass, as a share of what it keeps in fp32."""

REMEDIES = {
    "train": "raise training.accumulation, or make training.patch_size or training.batch_size smaller (other results)",
    "segment": "make inference.window_size or inference.batch_size smaller",
}
"""What makes a stage smaller; the others take what a scan takes."""


def may_change_batch(recipe: Recipe) -> bool:
    """Tell whether the number of windows at once changes no label: votes are whole numbers, means of floats are not."""
    return recipe.inference.combine == "vote" and recipe.inference.runtime == "torch"


def vram_needed(recipe: Recipe, network: NetworkMemory, *, batch_size: int) -> dict[str, int]:
    """Count what training and inference hold on a GPU; workspace of convolutions comes on top (`USABLE`).

    S4C's training on an H100 (batch 16, patches of 64 x 64 x 64; docs/benchmarks.md) took 7.7 GiB of 8.8 counted in
    fp32, and 3.7 of 5.3 in bf16.
    """
    parts = take_apart(recipe, {})
    micro, _ = micro_batch_voxels(parts)
    copies = copies_of_weights(training_plan(parts.training, checkpoint_every=1))
    views = math.prod(parts.inference["window_size"]) * views_bytes_per_voxel(parts.inference) * batch_size
    half = 1 if parts.inference["precision"] in {"fp32", "tf32"} else 2
    kept = 1.0 if parts.training["precision"] in {"fp32", "tf32"} else AUTOCAST
    step = int(network.parameters * 4 * copies + micro * step_bytes_per_voxel(network) * OVERHEAD * kept)
    return {
        "train": step if recipe.training.iterations else 0,
        "segment": int((network.parameters * 4 + network.window_bytes * batch_size * OVERHEAD) / half) + views,
    }


def fit_vram(recipe: Recipe, network: NetworkMemory, vram_bytes: int, machine: Machine) -> tuple[int, Machine, str]:
    """Choose windows at once and the workers of each GPU for its memory, and say it in words.

    What is not given in numbers shares a GPU as stages say: a training has all of it, a scan half, unless windows at
    once do not fit that.

    Raises RecipeError where not even one worker fits.
    """
    batch, usable = recipe.inference.windows_at_once, vram_bytes * USABLE
    while True:
        needed = vram_needed(recipe, network, batch_size=batch)
        stage = max(needed, key=lambda name: needed[name])
        if needed[stage] <= usable:
            break
        if stage != "segment" or batch == 1 or not may_change_batch(recipe):
            message = (
                f"predicted {_gb(needed[stage])} of the GPU's memory, of {_gb(vram_bytes)} (--vram) {_gb(usable)} can "
                f"be planned with; {REMEDIES[stage]}"
            )
            raise RecipeError(f"The recipe {recipe.name} does not fit the memory:", [Fault(stage, message)])
        batch //= 2
    fits = int(usable // needed[stage])
    chosen = machine
    if machine.gpu_workers is not None:
        chosen = replace(machine, gpu_workers=min(machine.gpu_workers, fits))
    elif needed["segment"] > usable * STAGES["segment"].needs.gpu:
        chosen = replace(machine, gpu_workers=1)
    line = (
        f"GPU memory: predicted {_gb(needed['train'])} for training and {_gb(needed['segment'])} for {batch} windows "
        f"at once (counted, not run on a GPU); {_gb(vram_bytes)} of each allow {chosen.tasks_in_words()} at once on it."
    )
    return batch, chosen, line


def held_on_gpu(
    gpu_bytes: int | None, nodes: Sequence[Node], peaks_mib: Mapping[str, float]
) -> tuple[dict[str, Any], str]:
    """Say what workers held of a GPU at most: the record for `run.json`, and one line, empty where none was measured.

    `peaks_mib` are by key of the nodes made in this run, `gpu_bytes` what those on one GPU might take together. torch
    keeps each to its share of that itself, so it cannot be passed.
    """
    held = [(node, peaks_mib[node.key]) for node in nodes if node.key in peaks_mib]
    if not held:
        return {}, ""
    by_stage: dict[str, float] = {}
    for node, peak in held:
        by_stage[node.stage] = max(peak, by_stage.get(node.stage, 0.0))
    node, peak = max(held, key=lambda item: item[1])
    allowed = None if gpu_bytes is None else round(gpu_bytes / 2**20, 1)
    of = "" if allowed is None else f", of {allowed:.0f} MiB that those on one GPU may take together"
    record = {"gpu_measured_mib": by_stage, "gpu_allowed_mib": allowed}
    return record, f"GPU memory: a worker held {peak:.0f} MiB at most ({node.stage} of {node.label}){of}."


def _gb(count: float) -> str:
    return f"{count / 1e9:.2f} GB"
