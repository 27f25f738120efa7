"""Measure on this machine what a recipe's network takes for a window, and predict what a CT of a given size takes."""

import json
import math
import time
from dataclasses import dataclass
from typing import Any

import torch

from pnetkit import cuda
from pnetkit.acceleration import NUMBER_TYPES
from pnetkit.imaging.spacing import Spacing
from pnetkit.inference.runtime import largest_batch
from pnetkit.inference.windows import padded_shape, window_grid
from pnetkit.method.device_fit import fit_to_device
from pnetkit.method.inference import network_as_run, runs_of_a_window
from pnetkit.method.parts import take_apart
from pnetkit.method.trained_network import new_backbone
from pnetkit.networks import Network, Precision, choose_device
from pnetkit.pipeline.budget.ram import segmenting_bytes
from pnetkit.pipeline.budget.spacings import shape_of_ct
from pnetkit.recipe.models import Recipe
from pnetkit.types import Triple

USUAL_MM: Spacing = (0.75, 0.75, 1.0)
"""Edges of a CT's voxels where nothing else is said; they count where a recipe resamples."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Say what one phase of a CT takes on one worker.

    `windows` are all of the grid, `coarse_windows` those of a first pass (0 without one), of which a chessboard needs
    half at the least. What a first pass finds cannot be known before, so there are two times: `least_seconds` where it
    finds next to nothing, `seconds` where everything is searched after all. Windows without body are not run, which
    both leave out of account. `memory_mib` is the most that a worker takes.
    """

    device: str
    precision: str
    parameters: int
    window: Triple
    window_seconds: float
    windows: int
    coarse_windows: int
    least_windows: int
    memory_mib: float

    @property
    def seconds(self) -> float:
        """Give the time for all windows of both passes."""
        return self.window_seconds * (self.windows + self.coarse_windows)

    @property
    def least_seconds(self) -> float:
        """Give the time for the windows that are run whatever a first pass finds; without one, for all."""
        return self.window_seconds * self.least_windows


def predict(
    recipe: Recipe, shape: Triple, *, device: str, threads: int, repeats: int = 5, spacing_mm: Spacing = USUAL_MM
) -> Prediction:
    """Time some windows of the recipe's network, untrained (weights do not change the time), and count those of a CT.

    `shape` and `spacing_mm` are the CT's own; what the network sees follows from the recipe.
    Raises PluginError and RecipeError as a run of the recipe would.
    """
    own_shape, shape = shape, shape_of_ct(recipe, shape, spacing_mm)
    torch.set_num_threads(threads)
    where = choose_device(device)
    settled = fit_to_device(recipe, where, training=False)
    parts = take_apart(settled, {})
    inference = parts.inference
    window: Triple = tuple(inference["window_size"])
    channels = max(len(seen.phases) for seen in parts.inputs)
    network = new_backbone(parts.backbone, in_channels=channels, seed=0)
    quick = network_as_run(network, inference, where)
    batch = largest_batch(settled.inference.runtime, settled.inference.windows_at_once)
    how: dict[str, Any] = {"precision": inference["precision"], "device": where, "batch": batch}
    seconds = window_seconds(quick, window, **how, repeats=repeats) * runs_of_a_window(inference)
    padded = padded_shape(shape, window)
    windows = len(window_grid(padded, window, tuple(inference["stride"])))
    coarse = inference.get("coarse")
    first = 0 if coarse is None else len(window_grid(padded, window, tuple(coarse["stride"])))
    least = first // 2 if recipe.inference.coarse.chessboard else first
    return Prediction(
        device=where,
        precision=inference["precision"],
        parameters=parts.parameters,
        window=window,
        window_seconds=seconds,
        windows=windows,
        coarse_windows=first,
        least_windows=windows if coarse is None else least,
        memory_mib=segmenting_bytes(settled, shape, where, own_shape) / 2**20,
    )


def window_seconds(
    network: Network, window: Triple, *, precision: Precision, device: str, batch: int = 1, repeats: int = 2
) -> float:
    """Give the shortest time of a window, run `batch` at once, through a network that `runnable` gave.

    A first batch warms up.
    """
    x = torch.randn(batch, network.spec.in_channels, *window, generator=torch.Generator().manual_seed(0))
    x = x.to(device=device, dtype=NUMBER_TYPES[precision], memory_format=torch.channels_last_3d)
    best = math.inf
    for _ in range(repeats + 1):
        started = time.perf_counter()
        with torch.inference_mode(), cuda.single_precision(tf32=precision == "tf32"):
            network(x).logits.argmax(dim=1).cpu()
        best = min(best, time.perf_counter() - started)
    return best / batch


def as_json(prediction: Prediction) -> str:
    """Give a prediction as JSON."""
    values: dict[str, Any] = {name: getattr(prediction, name) for name in Prediction.__slots__}
    more = {"seconds": prediction.seconds, "least_seconds": prediction.least_seconds}
    return json.dumps(values | more, indent=2)
