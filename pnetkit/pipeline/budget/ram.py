"""Predict, before anything runs, what memory each kind of stage takes at its peak, of one worker.

What a network takes is counted from the tensors that it makes, what volumes take from the arrays that each stage holds
at once; both were held against measured peaks. They are upper bounds: a prediction that is passed is an error.
"""

import math
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pnetkit.acceleration import accelerated
from pnetkit.cohort.phantom import phantom_spacing_mm
from pnetkit.cohort.table import read_cohort
from pnetkit.errors import ImageError
from pnetkit.imaging.nifti import read_grid
from pnetkit.imaging.spacing import shape_at
from pnetkit.inference.runtime import largest_batch
from pnetkit.inference.windows import most_votes, padded_shape
from pnetkit.method.inference import runs_of_a_window
from pnetkit.method.parts import Parts, take_apart
from pnetkit.method.trained_network import new_backbone
from pnetkit.networks import kept_bytes_per_voxel, small_size, window_bytes, without_values
from pnetkit.pipeline.budget.proposal import OVERHEAD
from pnetkit.pipeline.budget.spacings import finest_spacing, shape_of_ct
from pnetkit.pipeline.engine.workers import process_context, start_worker
from pnetkit.pipeline.stages.train import training_plan
from pnetkit.process_memory import peak_memory_mib
from pnetkit.recipe.models import Recipe
from pnetkit.training.bricks import EDGE
from pnetkit.training.optimizer import copies_of_weights
from pnetkit.training.parts import drawing_threads
from pnetkit.training.recomputation import kept_when_recomputing
from pnetkit.training.sampling import with_patches
from pnetkit.training.spatial import MOST_READ
from pnetkit.types import CLASSES, Grid, Triple

VOXEL_BYTES = {"phantom": 40, "check": 16, "prepare": 24, "measure": 23, "postprocess": 15, "classify": 12}
"""Bytes for a voxel of a scan that a stage of one channel holds at once: files unpacked, HU, masks, labels."""

SEGMENT_VOXEL_BYTES, VOTES_VOXEL_BYTES, MEAN_VOXEL_BYTES = 26, 12, 70
"""Bytes for a voxel: of a scan that is segmented; more where votes are kept; more where probabilities are averaged."""

IMAGE_VOXEL_BYTES = 16
"""Bytes for a voxel that reading a scan in HU takes, where a classifier looks at it."""

RESAMPLING_BYTES = 18
"""Bytes for a voxel of the scan's own grid, where networks see another: reading it, and labels brought back to it."""

CHANNEL_BYTES, RESAMPLED_BYTES = 14, 24
"""Bytes for a voxel that each further channel adds, and what interpolating it onto the first one's grid adds."""

PROCESS_BYTES = 24 * 2**20
"""What a worker gathers beside its stages: modules that are imported late, the network of the stage before."""

LIBRARIES_BYTES = 112 * 2**20
"""What convolutions take at their first call, whatever their size: compiled kernels, buffers of their library."""

MARGIN = 1.1
"""What freed memory loses in gaps between what is still held."""

CPU_HALF = 4
"""Half precision takes more on a CPU: its library computes in single precision where it has no kernels."""


@dataclass(frozen=True, slots=True)
class CohortSize:
    """Hold what counts of a cohort: the shape of its largest scan, and voxels of all scans that have labels.

    Both are as networks see them; where scans are resampled for these, `own_shape` is that of the largest scan itself.
    `phantoms` tells that they are still to be made.
    """

    shape: Triple
    labeled_voxels: int
    phantoms: bool = False
    own_shape: Triple | None = None


@dataclass(frozen=True, slots=True)
class NetworkMemory:
    """Hold what was measured of a network, and the memory of a worker process before it does anything."""

    bare_bytes: int
    parameters: int
    outputs: int
    kept_bytes_per_voxel: float
    window_bytes: int


@dataclass(frozen=True, slots=True)
class StageMemory:
    """Say how many bytes a worker holds at the peak of a stage, the bare process included."""

    stage: str
    bytes: int


def cohort_size(recipe: Recipe, table: Path | None) -> CohortSize:
    """Read the sizes of a cohort's scans from their headers; those of phantoms from the recipe.

    Files that cannot be read are left out: the cohort's check is to name them. Raises CohortError as `read_cohort`.
    """
    if table is None:
        settings = recipe.cohort.phantom
        x, y, z = settings.shape if settings is not None else (1, 1, 1)
        shape = (x, y, z + z // 8)  # arterial scans have more slices
        cases = settings.cases if settings is not None else 0
        wanted = recipe.preprocess.spacing_mm
        seen = shape if wanted in (None, "median") else shape_of_ct(recipe, shape, phantom_spacing_mm((x, y, z)))
        return CohortSize(seen, cases * math.prod(seen), phantoms=True, own_shape=None if seen == shape else shape)
    grids: list[dict[str, Grid]] = []
    labels: list[set[str]] = []
    for case in read_cohort(table, recipe.phases)[0].cases:
        grids.append({phase: of for phase, files in case.scans.items() if (of := _grid(files.image)) is not None})
        labels.append({phase for phase, files in case.scans.items() if files.label is not None})
    firsts = {name: found.phases[0] for name, found in recipe.networks.items()}
    labeled = {
        name: [of[first] for of, known in zip(grids, labels, strict=True) if first in of and first in known]
        for name, first in firsts.items()
    }
    at = finest_spacing(recipe, labeled)
    seen_at = {first: at[name] for name, first in firsts.items()}
    own: Triple = max(((1, 1, 1), *(of.shape for case in grids for of in case.values())), key=math.prod)
    shapes = [{phase: shape_at(of, seen_at.get(phase)) for phase, of in case.items()} for case in grids]
    largest: Triple = max(((1, 1, 1), *(of for case in shapes for of in case.values())), key=math.prod)
    voxels = sum(
        max((math.prod(of[phase]) for phase in of if phase in known), default=0)
        for of, known in zip(shapes, labels, strict=True)
    )
    return CohortSize(largest, voxels, own_shape=own if any(at.values()) else None)


def _grid(image: Path) -> Grid | None:
    try:
        return read_grid(image)
    except ImageError:
        return None


def network_memory(recipe: Recipe) -> NetworkMemory:
    """Measure the recipe's network in a process like that of a worker, and that process before it does anything."""
    parts = take_apart(recipe, {})
    channels = max(len(seen.phases) for seen in parts.inputs)
    recomputed = bool(parts.training.get("gradient_checkpointing"))
    return _measured_once(_Frozen(parts.backbone), channels, tuple(parts.inference["window_size"]), recomputed)


def predict_memory(recipe: Recipe, size: CohortSize, network: NetworkMemory, *, adopted: bool) -> list[StageMemory]:
    """Predict the peak of each kind of stage, in their order; with `adopted` segmentations no network is run.

    Feature maps and the fitting of classifiers are not predicted: their size depends on where the pancreas is found.
    """
    parts = take_apart(recipe, {})
    channels = max(len(seen.phases) for seen in parts.inputs)
    more = (channels - 1) * (CHANNEL_BYTES + RESAMPLED_BYTES * any(seen.resample for seen in parts.inputs))
    voxels, own = math.prod(size.shape), math.prod(size.own_shape or size.shape)
    found = {name: own * of for name, of in VOXEL_BYTES.items() if name != "phantom" or size.phantoms}
    found["prepare"] += own * more
    if parts.needs.images:
        found["classify"] += own * (IMAGE_VOXEL_BYTES + more)
    if size.own_shape is not None:  # one is read, the other made of it; rules see the one or the other
        found["prepare"] = own * (RESAMPLING_BYTES + more) + voxels * (VOXEL_BYTES["prepare"] + more)
        more_voxels = max(voxels - own, 0) + own // 4
        found |= {name: found[name] + more_voxels * VOXEL_BYTES[name] for name in ("postprocess", "classify")}
    if adopted:
        found["adopt"] = found.pop("prepare")
    else:
        found["train"] = training_bytes(recipe, parts, size, network)
        found["segment"] = segment_bytes(recipe, parts, size.shape, network, networks=1)
        if size.own_shape is not None:
            found["segment"] += own * (RESAMPLING_BYTES + more)
    order = ("phantom", "check", "prepare", "train", "segment", "adopt", "postprocess", "classify", "measure")
    return [StageMemory(name, _whole(network, found[name])) for name in order if name in found]


def with_batch(recipe: Recipe, batch_size: int) -> Recipe:
    """Give the recipe with another number of windows at once."""
    return recipe.model_copy(update={"inference": recipe.inference.model_copy(update={"batch_size": batch_size})})


def in_main_memory(recipe: Recipe, device: str) -> Recipe:
    """Give the recipe as the memory of the processor sees it: what runs on a GPU is held there."""
    return recipe if device == "cpu" else with_batch(recipe, 1)


def segmenting_bytes(recipe: Recipe, shape: Triple, device: str, own_shape: Triple) -> int:
    """Predict the peak of a worker that segments a scan with one network, in the processor's memory.

    `shape` is that which the network sees, `own_shape` the scan's.
    """
    recipe = in_main_memory(recipe, device)
    network, parts = network_memory(recipe), take_apart(recipe, {})
    found = segment_bytes(recipe, parts, shape, network, networks=1)
    return _whole(network, found + (0 if parts.spacing_mm is None else math.prod(own_shape) * RESAMPLING_BYTES))


def _whole(network: NetworkMemory, of_stage: float) -> int:
    return int(network.bare_bytes + PROCESS_BYTES + MARGIN * of_stage)


def micro_batch_voxels(parts: Parts) -> tuple[int, int]:
    """Give the voxels of a training's largest micro-batch, and of its largest whole batch."""
    plan = training_plan(parts.training, checkpoint_every=1)
    kinds = [plan.sampling, *(with_patches(plan.sampling, other.size) for other in plan.sampling.mixed)]
    whole = max(kind.batch_size * math.prod(kind.patch_size) for kind in kinds)
    return whole // plan.accumulation, whole


def _largest_patch(parts: Parts) -> int:
    plan = training_plan(parts.training, checkpoint_every=1)
    return max(map(math.prod, (plan.sampling.patch_size, *(other.size for other in plan.sampling.mixed))))


def training_bytes(recipe: Recipe, parts: Parts, size: CohortSize, network: NetworkMemory) -> int:
    """Count what a training holds on a CPU: network, micro-batch, batches drawn, and mapped cases of the last ones.

    One of no steps holds the network, the weights that it starts from, and what it writes.
    """
    if not recipe.training.iterations:
        return LIBRARIES_BYTES + 4 * 4 * network.parameters
    channels = max(len(seen.phases) for seen in parts.inputs)
    micro, whole = micro_batch_voxels(parts)
    batches = whole * (16 * channels + 8)  # one in use, one drawn ahead, and copies while patches are turned
    if parts.training.get("augmentation") == "strong":  # one patch at a time reads more of a scan than it holds
        batches += MOST_READ * _largest_patch(parts) * (12 * channels + 5)
        batches += whole * (drawing_threads(training_plan(parts.training, checkpoint_every=1)) - 1) * (4 * channels + 1)
    watch = training_plan(parts.training, checkpoint_every=1).watch
    batches += 0 if watch is None else watch.patches * math.prod(recipe.training.patch_size) * (4 * channels + 1)
    mapped = min(size.labeled_voxels * (2 * channels + 1), _mapped_bytes(recipe, channels))
    fixed = LIBRARIES_BYTES + network.parameters * parameter_bytes(parts)
    return int(fixed + micro * step_bytes_per_voxel(network) * OVERHEAD + batches + mapped)


def parameter_bytes(parts: Parts) -> int:
    """Give the bytes that a training holds for a parameter: weights, gradients, what the optimizer keeps, an average.

    While a checkpoint is written there are two copies of all but the gradients; and one lies reordered.
    """
    copies = copies_of_weights(training_plan(parts.training, checkpoint_every=1))
    return 4 * copies + 2 * 4 * (copies - 1) + 4


def segment_bytes(recipe: Recipe, parts: Parts, shape: Triple, network: NetworkMemory, *, networks: int) -> int:
    """Count what segmenting a scan holds on a CPU: the volume with its counters, networks with their windows."""
    inference = parts.inference
    window, stride = tuple(inference["window_size"]), tuple(inference["stride"])
    channels = max(len(seen.phases) for seen in parts.inputs)
    padded = padded_shape(shape, window)
    counter = np.min_scalar_type(most_votes(padded, window, stride) * networks).itemsize
    voxel = SEGMENT_VOXEL_BYTES + (channels - 1) * CHANNEL_BYTES
    voxel += 2 * (counter - 1) + counter * len(CLASSES) * window[0] / padded[0]
    if any(seen.resample for seen in parts.inputs):
        voxel += RESAMPLED_BYTES
    if parts.spacing_mm is not None:
        voxel += _kept_share_bytes(inference, counter)
    if inference.get("combine", "vote") != "vote":
        voxel += MEAN_VOXEL_BYTES
    elif inference["keep_votes"]:
        voxel += VOTES_VOXEL_BYTES
    half = 1 if inference["precision"] in {"fp32", "tf32"} else CPU_HALF
    batch = largest_batch(recipe.inference.runtime, recipe.inference.windows_at_once)
    weighed = 8 * (1 + len(CLASSES)) if inference.get("window_weights") == "gaussian" else 0
    return int(
        LIBRARIES_BYTES
        + network.parameters * 4 * 3 * networks  # as trained, as run, reordered
        + network.window_bytes * batch * half * OVERHEAD
        + math.prod(window) * (batch * views_bytes_per_voxel(inference) + weighed)
        + math.prod(padded) * voxel
    )


def _kept_share_bytes(inference: Mapping[str, Any], counter: int) -> int:
    """Give what is held of a voxel to decide it on the scan's own grid, beside what a search holds anyway.

    That is all votes, or the weights of means of logits. Where the first search of a region is followed by another, or
    only the body's box is searched and laid into the volume, there are two of all shares for a while.
    """
    combine = inference.get("combine", "vote")
    all_shares = (counter if combine == "vote" else 8) * len(CLASSES)
    more = {"vote": all_shares, "mean-softmax": 0, "mean-logits": 8}[combine]
    is_twice = inference["body"] == "box" or "region_stride" in inference.get("coarse", {})
    return more + (all_shares if is_twice else 0)


def views_bytes_per_voxel(inference: Mapping[str, Any]) -> int:
    """Give what averaging mirrored views holds for a voxel of a window: the sum, one view's, and it mirrored back."""
    return 3 * 4 * len(CLASSES) if runs_of_a_window(inference) > 1 else 0


def _mapped_bytes(recipe: Recipe, channels: int) -> int:
    """Give the bytes of prepared cases that a batch has mapped: rows of its patches' bricks, each on pages of its own.

    The system maps more than is asked for: 64 KiB around, and a row may begin in the middle of them.
    """
    sizes = [recipe.training.patch_size, *(other.size for other in recipe.training.mixed_patches)]
    rows = max((size[0] // EDGE + 1) * (size[1] // EDGE + 1) for size in sizes)
    return recipe.training.batch_size * rows * 2**17 * (channels + 1)


def step_bytes_per_voxel(network: NetworkMemory) -> float:
    """Give the bytes that a step keeps for a voxel: by autograd in the network, and by the loss of each output."""
    loss = network.outputs * 3 * 4 * len(CLASSES)  # logits, log-probabilities, their gradient
    return network.kept_bytes_per_voxel + loss + 8 + 4


class _Frozen(dict[str, Any]):
    """An identity that `cache` can hold; two of one plugin, parameters and source are equal."""

    def __hash__(self) -> int:  # type: ignore[override]  # nobody changes it
        return hash(repr(sorted(self.items())))


@cache
def _measured_once(backbone: _Frozen, channels: int, window: Triple, recomputed: bool) -> NetworkMemory:
    with ProcessPoolExecutor(1, process_context()) as pool:
        return pool.submit(_measure, dict(backbone), channels, window, recomputed).result()


def _measure(backbone: dict[str, Any], channels: int, window: Triple, recomputed: bool) -> NetworkMemory:
    start_worker(1)
    bare = peak_memory_mib() or 512.0
    network = new_backbone(backbone, in_channels=channels, seed=0)
    kept = (kept_when_recomputing if recomputed else kept_bytes_per_voxel)(network, small_size(network.spec))
    with without_values():
        shape_only = new_backbone(backbone, in_channels=channels, seed=0)
    return NetworkMemory(
        bare_bytes=int(bare * 2**20),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        outputs=1 + len(network.spec.aux_heads),
        kept_bytes_per_voxel=kept,
        window_bytes=window_bytes(accelerated(shape_only, device="meta", precision="fp32"), channels, window),
    )
