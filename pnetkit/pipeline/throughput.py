"""Measure on this machine what a recipe's network takes for a window, and predict what a CT of a given size takes."""

import json
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pnetkit.inference.acceleration import NUMBER_TYPES
from pnetkit.inference.windows import most_votes, padded_shape, window_grid
from pnetkit.networks import Network, Precision, choose_device
from pnetkit.pipeline.device_fit import fit_to_device
from pnetkit.pipeline.parts import take_apart
from pnetkit.pipeline.provenance import peak_memory_mib
from pnetkit.pipeline.stages.inputs import new_backbone
from pnetkit.pipeline.stages.segment import network_as_run
from pnetkit.recipe.models import Recipe
from pnetkit.types import CLASSES, Triple


@dataclass(frozen=True, slots=True)
class Prediction:
    """Say what one phase of a CT takes on one worker.

    `windows` are all of the grid, `coarse_windows` those of a first pass (0 without one): windows without body are not
    run, and a coarse pass leaves most of the others out, so `seconds` is what it takes at the most. `memory_mib` is the
    memory of this process while it ran a window and what the volume and its counters add, or None where the system
    does not tell.
    """

    device: str
    precision: str
    parameters: int
    window: Triple
    window_seconds: float
    windows: int
    coarse_windows: int
    memory_mib: float | None

    @property
    def seconds(self) -> float:
        """Give the time for all windows of both passes."""
        return self.window_seconds * (self.windows + self.coarse_windows)


def predict(recipe: Recipe, shape: Triple, *, device: str, threads: int, repeats: int = 5) -> Prediction:
    """Time some windows of the recipe's network, untrained (weights do not change the time), and count those of a CT.

    Raises PluginError and RecipeError as a run of the recipe would.
    """
    torch.set_num_threads(threads)
    where = choose_device(device)
    parts = take_apart(fit_to_device(recipe, where), {})
    inference = parts.inference
    window: Triple = tuple(inference["window_size"])
    channels = max(len(seen.phases) for seen in parts.inputs)
    network = new_backbone(parts.backbone, in_channels=channels, seed=0)
    quick = network_as_run(network, inference, where)
    seconds = window_seconds(quick, window, precision=inference["precision"], device=where, repeats=repeats)
    memory = peak_memory_mib()
    padded = padded_shape(shape, window)
    stride: Triple = tuple(inference["stride"])
    counter = np.min_scalar_type(most_votes(padded, window, stride)).itemsize
    counters = counter * (2 + len(CLASSES) * window[0] / padded[0])  # two maps, and a slab one window deep
    per_voxel = 4 * channels + 4 + 1 + counters + 1  # input, HU, body, counters, labels
    coarse = inference.get("coarse")
    return Prediction(
        device=where,
        precision=inference["precision"],
        parameters=parts.parameters,
        window=window,
        window_seconds=seconds,
        windows=len(window_grid(padded, window, stride)),
        coarse_windows=0 if coarse is None else len(window_grid(padded, window, tuple(coarse["stride"]))),
        memory_mib=None if memory is None else memory + math.prod(padded) * per_voxel / 2**20,
    )


def window_seconds(network: Network, window: Triple, *, precision: Precision, device: str, repeats: int = 2) -> float:
    """Give the shortest time of a window through a network that `runnable` gave; a first one warms up."""
    x = torch.randn(1, network.spec.in_channels, *window, generator=torch.Generator().manual_seed(0))
    x = x.to(device=device, dtype=NUMBER_TYPES[precision], memory_format=torch.channels_last_3d)
    best = math.inf
    for _ in range(repeats + 1):
        started = time.perf_counter()
        with torch.inference_mode():
            network(x).logits.argmax(dim=1).cpu()
        best = min(best, time.perf_counter() - started)
    return best


def as_json(prediction: Prediction) -> str:
    """Give a prediction as JSON."""
    values: dict[str, Any] = {name: getattr(prediction, name) for name in Prediction.__slots__}
    return json.dumps(values | {"seconds": prediction.seconds}, indent=2)
