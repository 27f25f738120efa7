"""Say before a run what there is to do, and what it will take.

Trainings and segmentations are estimated from one step and one window of the recipe's own network, timed here and now;
the other stages from earlier results of the same stage in the store. What cannot be known is not guessed.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from pnetkit.inference.runtime import largest_batch
from pnetkit.inference.windows import padded_shape, window_grid
from pnetkit.pipeline.node import STAGE_VERSIONS, Node
from pnetkit.pipeline.stages.inputs import new_backbone
from pnetkit.pipeline.stages.segment import network_as_run
from pnetkit.pipeline.stages.train import training_plan
from pnetkit.pipeline.store import RECORD, Store
from pnetkit.pipeline.throughput import window_seconds
from pnetkit.training.loop import TrainingPlan, one_step, ready_to_train
from pnetkit.training.sampling import Batch, Sampling, with_patches

MOST_RECORDS = 50
"""Earlier results of a stage that are looked at."""


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """Hold what a stage of a plan has and needs; None where nothing is known.

    `seconds` is for one worker, `peak_mib` the memory of one worker, `disk_mib` what is added to the store.
    """

    stage: str
    there: int
    todo: int
    seconds: float | None
    peak_mib: float | None
    disk_mib: float | None


def estimate(nodes: Sequence[Node], store: Store, *, device: str) -> list[StageEstimate]:
    """Estimate every stage of a plan, in their order."""
    found = []
    for stage in STAGE_VERSIONS:
        of_stage = [node for node in nodes if node.stage == stage]
        todo = [node for node in of_stage if not store.has(stage, node.key)]
        if not of_stage:
            continue
        earlier = _earlier(store, stage)
        seconds = _median([float(record["seconds"]) for record, _ in earlier])
        peaks = [float(record["peak_mib"]) for record, _ in earlier if record.get("peak_mib") is not None]
        total = None if seconds is None else seconds * len(todo)
        if todo and stage in ("train", "segment"):
            total = sum(_training_seconds(todo, device) if stage == "train" else _segment_seconds(todo, nodes, device))
        size = _median([size for _, size in earlier])
        found.append(
            StageEstimate(
                stage=stage,
                there=len(of_stage) - len(todo),
                todo=len(todo),
                seconds=total if todo else 0.0,
                peak_mib=max(peaks) if peaks else None,
                disk_mib=None if size is None and todo else (size or 0.0) * len(todo) / 2**20,
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
        settings = json.dumps([node.identity["backbone"], node.identity["training"]], sort_keys=True)
        if settings not in known:
            known[settings] = _step_seconds(node, device)
        seconds.append(known[settings] * node.weight)
    return seconds


def _step_seconds(node: Node, device: str) -> float:
    """Time a step of each size of patch and give their mean, each by its share of the steps."""
    plan = training_plan(dict(node.identity["training"]), checkpoint_every=1)
    usual = 1 - sum(other.share for other in plan.sampling.mixed)
    shares = [(plan.sampling, usual)]
    shares += [(with_patches(plan.sampling, other.size), other.share) for other in plan.sampling.mixed]
    return sum(share * _one_size(node, plan, sampling, device) for sampling, share in shares)


def _one_size(node: Node, plan: TrainingPlan, sampling: Sampling, device: str) -> float:
    channels, count = int(node.identity["in_channels"]), sampling.batch_size // plan.accumulation
    rng = np.random.default_rng(0)
    x = rng.standard_normal((count, channels, *sampling.patch_size), dtype=np.float32)
    batch = Batch(x, rng.integers(0, 4, (count, *sampling.patch_size), dtype=np.uint8), ())
    backbone = new_backbone(dict(node.identity["backbone"]), in_channels=channels, seed=0)
    ready_to_train(backbone, device)
    timed = []
    for _ in range(2):  # the first warms up
        started = time.perf_counter()
        one_step(backbone, batch, plan, device)
        timed.append(time.perf_counter() - started)
    return min(timed) * plan.accumulation


def _segment_seconds(todo: Sequence[Node], nodes: Sequence[Node], device: str) -> list[float]:
    """Time one batch of windows for every different network, and multiply by all windows of each scan: at most that."""
    trainings = {node.key: node for node in nodes if node.stage == "train"}
    known: dict[str, float] = {}
    seconds = []
    for node in todo:
        train = trainings[node.inputs["train"]]
        inference = node.identity["inference"]
        window, stride = tuple(inference["window_size"]), tuple(inference["stride"])
        batch = largest_batch(inference.get("runtime", "torch"), node.given["batch_size"])
        settings = json.dumps(
            [train.identity["backbone"], list(window), inference["precision"], inference.get("runtime"), batch],
            sort_keys=True,
        )
        if settings not in known:
            known[settings] = _window_seconds(train, inference, device, batch)
        seconds.append(known[settings] * len(window_grid(padded_shape(node.given["shape"], window), window, stride)))
    return seconds


def _window_seconds(train: Node, inference: Mapping[str, Any], device: str, batch: int) -> float:
    channels = int(train.identity["in_channels"])
    backbone = new_backbone(dict(train.identity["backbone"]), in_channels=channels, seed=0)
    network = network_as_run(backbone, inference, device)
    how: dict[str, Any] = {"precision": inference["precision"], "device": device, "batch": batch}
    return window_seconds(network, tuple(inference["window_size"]), **how)
