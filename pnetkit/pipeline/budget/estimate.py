"""Say before a run what there is to do, and what it will take.

Trainings and segmentations are estimated from one step and one window of the recipe's own network, timed here and now;
the other stages from earlier results of the same stage in the store; what results take on disk from one scan of the run
(`disk.py`). What cannot be known is not guessed.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeVar

import numpy as np

from pnetkit import cuda
from pnetkit.files import digest
from pnetkit.imaging.boxes import Box
from pnetkit.imaging.intensity import Intensity
from pnetkit.inference.runtime import largest_batch
from pnetkit.inference.windows import padded_shape, window_grid
from pnetkit.method.inference import network_as_run, runs_of_a_window
from pnetkit.method.trained_network import new_backbone
from pnetkit.pipeline.budget.disk import checkpoint_bytes, results_bytes, sample_of
from pnetkit.pipeline.budget.throughput import window_seconds
from pnetkit.pipeline.stages import segment, train
from pnetkit.pipeline.stages.table import STAGES
from pnetkit.store.node import Node
from pnetkit.store.store import RECORD, Store
from pnetkit.training.plan import TrainingPlan
from pnetkit.training.sampling import Batch, Sampling, TrainingCase, with_patches
from pnetkit.training.step import one_step, ready_to_train
from pnetkit.training.strong import strong_patch

S = TypeVar("S")

MOST_RECORDS = 50
"""Earlier results of a stage that are looked at."""

PATCHES_TIMED = 16
"""Strongly augmented patches that are timed."""


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """Hold what a stage of a plan has and needs; None where nothing is known.

    `seconds` is for one worker, `peak_mib` the memory of one worker, `disk_mib` what is added to the store, and
    `passing_mib` what one worker takes there beside it, while it is at work.
    """

    stage: str
    there: int
    todo: int
    seconds: float | None
    peak_mib: float | None
    disk_mib: float | None
    passing_mib: float = 0.0


def estimate(nodes: Sequence[Node], store: Store, *, device: str) -> list[StageEstimate]:
    """Estimate every stage of a plan, in their order."""
    found = []
    there = {node.key for node in nodes if store.has(node.stage, node.key)}
    sample = sample_of(nodes) if len(there) < len(nodes) else None
    for stage in STAGES:
        of_stage = [node for node in nodes if node.stage == stage]
        todo = [node for node in of_stage if node.key not in there]
        if not of_stage:
            continue
        earlier = _earlier(store, stage)
        seconds = _median([float(record["seconds"]) for record, _ in earlier])
        peaks = [float(record["peak_mib"]) for record, _ in earlier if record.get("peak_mib") is not None]
        total = None if seconds is None else seconds * len(todo)
        if todo and stage in (train.STAGE.name, segment.STAGE.name):
            total = sum(
                _training_seconds(todo, device) if stage == train.STAGE.name else _segment_seconds(todo, nodes, device)
            )
        size = results_bytes(todo, nodes, sample)
        if size is None and earlier:
            size = (_median([size for _, size in earlier]) or 0.0) * len(todo)
        found.append(
            StageEstimate(
                stage=stage,
                there=len(of_stage) - len(todo),
                todo=len(todo),
                seconds=total if todo else 0.0,
                peak_mib=max(peaks) if peaks else None,
                disk_mib=None if size is None else size / 2**20,
                passing_mib=checkpoint_bytes(todo) / 2**20,
            )
        )
    return found


def _earlier(store: Store, stage: str) -> list[tuple[Mapping[str, Any], float]]:
    """Read records of a stage's earlier results, with the bytes that each takes."""
    folder = store.root / stage
    paths = sorted(folder.glob(f"*/{RECORD}"))[:MOST_RECORDS] if folder.is_dir() else []
    return [
        (json.loads(path.read_text(encoding="utf-8")), sum(f.stat().st_size for f in path.parent.iterdir()))
        for path in paths
    ]


def _median(values: Sequence[float]) -> float | None:
    return float(median(values)) if values else None


def _training_seconds(todo: Sequence[Node], device: str) -> list[float]:
    """Time one step for every different network and batch, and multiply."""
    known: dict[str, float] = {}
    seconds = []
    for node in todo:
        spec = _as(train.TrainSpec, node)
        if not spec.training["iterations"]:  # no step is taken, and one may be more than this machine holds
            seconds.append(0.0)
            continue
        settings = digest([dict(spec.backbone), dict(spec.training)])
        if settings not in known:
            known[settings] = _step_seconds(spec, device)
        seconds.append(known[settings] * node.weight)
    return seconds


def _step_seconds(spec: train.TrainSpec, device: str) -> float:
    """Time a step of each size of patch and give their mean, each by its share of the steps."""
    plan = train.training_plan(spec.training, checkpoint_every=1)
    usual = 1 - sum(other.share for other in plan.sampling.mixed)
    shares = [(plan.sampling, usual)]
    shares += [(with_patches(plan.sampling, other.size), other.share) for other in plan.sampling.mixed]
    return sum(share * _one_size(spec, plan, sampling, device) for sampling, share in shares)


def _one_size(spec: train.TrainSpec, plan: TrainingPlan, sampling: Sampling, device: str) -> float:
    channels, count = spec.in_channels, sampling.batch_size // plan.accumulation
    rng = np.random.default_rng(0)
    x = rng.standard_normal((count, channels, *sampling.patch_size), dtype=np.float32)
    batch = Batch(x, rng.integers(0, 4, (count, *sampling.patch_size), dtype=np.uint8), ())
    backbone = new_backbone(dict(spec.backbone), in_channels=channels, seed=0)
    ready_to_train(backbone, device)
    timed = []
    for _ in range(2):  # the first warms up
        started = time.perf_counter()
        one_step(backbone, batch, plan, device)
        timed.append(time.perf_counter() - started)
    drawing = (
        0.0 if cuda.is_gpu(device) else augmenting_seconds(sampling, plan)
    )  # on a GPU the thread does it meanwhile
    return min(timed) * plan.accumulation + drawing


def augmenting_seconds(sampling: Sampling, plan: TrainingPlan) -> float:
    """Time some strongly augmented patches, of which most take little and some much, for a whole batch."""
    if plan.augmentation != "strong":
        return 0.0
    size = sampling.patch_size
    hu = np.random.default_rng(0).integers(-100, 240, size=(1, *size)).astype(np.int16)
    empty = np.array([], dtype=np.int64)
    case = TrainingCase("", hu, np.zeros(size, np.uint8), empty, empty, (Intensity(-100.0, 240.0, 0.0, 100.0),), None)
    how: dict[str, Any] = {"seed": 0, "iteration": 0, "rotations": plan.rotations, "flips": plan.flips}
    started = time.perf_counter()
    for number in range(PATCHES_TIMED):
        strong_patch(case, Box((0, 0, 0), size), number, **how)
    return (time.perf_counter() - started) / PATCHES_TIMED * sampling.batch_size


def _segment_seconds(todo: Sequence[Node], nodes: Sequence[Node], device: str) -> list[float]:
    """Time one batch of windows for every different network, and multiply by all windows of each scan: at most that."""
    trainings = {node.key: _as(train.TrainSpec, node) for node in nodes if node.stage == train.STAGE.name}
    known: dict[str, float] = {}
    seconds = []
    for node in todo:
        spec = _as(segment.SegmentSpec, node)
        trained, inference = trainings[spec.network.key], spec.inference
        window, stride = tuple(inference["window_size"]), tuple(inference["stride"])
        batch = largest_batch(inference.get("runtime", "torch"), spec.batch_size)
        settings = digest(
            [dict(trained.backbone), list(window), inference["precision"], inference.get("runtime"), batch]
        )
        if settings not in known:
            known[settings] = _window_seconds(trained, inference, device, batch)
        runs = len(window_grid(padded_shape(spec.shape, window), window, stride)) * runs_of_a_window(inference)
        seconds.append(known[settings] * runs)
    return seconds


def _window_seconds(trained: train.TrainSpec, inference: Mapping[str, Any], device: str, batch: int) -> float:
    backbone = new_backbone(dict(trained.backbone), in_channels=trained.in_channels, seed=0)
    network = network_as_run(backbone, inference, device)
    how: dict[str, Any] = {"precision": inference["precision"], "device": device, "batch": batch}
    return window_seconds(network, tuple(inference["window_size"]), **how)


def _as(kind: type[S], node: Node) -> S:
    if not isinstance(node.spec, kind):
        raise TypeError(f"{node.stage} of {node.label} holds a {type(node.spec).__name__}, not a {kind.__name__}")
    return node.spec
