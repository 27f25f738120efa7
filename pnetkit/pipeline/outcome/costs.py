"""Say what a method took: of its network by counting, of its stages from their own records."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from pnetkit.method.plugins import build
from pnetkit.networks import build_seeded, multiply_adds, without_values
from pnetkit.pipeline.plan.graph import Graph
from pnetkit.pipeline.stages import segment, train
from pnetkit.recipe.models import Recipe
from pnetkit.store.node import Node
from pnetkit.store.small_files import small_files
from pnetkit.store.store import Store
from pnetkit.types import CLASSES, Triple


def costs(recipe: Recipe, graph: Graph, store: Store) -> dict[str, Any]:
    """Give parameters and multiply-adds of a window, median seconds of a training and of a scan, and peaks in MiB.

    Seconds and peaks are those of the worker that made a result, which may have shared its machine; None where nothing
    was made, as where segmentations were made elsewhere, and for peaks that cannot be told from earlier work's.
    """
    window = recipe.inference.window_size or recipe.training.patch_size
    counted, fault = None, None
    if graph.plugins["backbone"] is not None:
        channels = max(len(seen.phases) for seen in recipe.networks.values())
        try:
            counted = counted_multiply_adds(graph.plugins["backbone"], channels, window)
        except Exception as error:  # noqa: BLE001  # a plugin may raise anything; a count must not end what was computed
            fault = f"{type(error).__name__}: {error}"
    trainings = _of(graph.nodes, train.STAGE.name, store)
    scans = _of(graph.nodes, segment.STAGE.name, store)
    return {
        "parameters": graph.parameters or None,
        "window": list(window),
        "multiply_adds": counted,
        **({} if fault is None else {"multiply_adds_fault": fault}),
        "training_seconds": _median(trainings, "seconds"),
        "training_peak_mib": largest_own_peak_mib(trainings),
        "scan_seconds": _median(scans, "seconds"),
        "scan_peak_mib": largest_own_peak_mib(scans),
    }


def counted_multiply_adds(backbone: dict[str, Any], channels: int, window: Triple) -> int:
    """Count the multiply-adds of a window through a backbone that is built on `meta`, where nothing is computed."""
    with without_values():
        network = build_seeded(lambda: build(backbone, in_channels=channels, num_classes=len(CLASSES)), 0)
    return multiply_adds(network, window)


def _of(nodes: Sequence[Node], stage: str, store: Store) -> list[dict[str, Any]]:
    there = [node for node in nodes if node.stage == stage and store.has(stage, node.key)]
    with small_files(store, [node.ref for node in there]) as small:
        return [small.record(stage, node.key) for node in there]


def _median(records: Sequence[dict[str, Any]], name: str) -> float | None:
    values = [float(record[name]) for record in records if name in record]
    return round(median(values), 2) if values else None


def largest_own_peak_mib(records: Sequence[dict[str, Any]]) -> float | None:
    """Give the largest peak, of those that the stage itself made and not what its worker had done before."""
    peaks = [(record.get("peak_before_mib"), record.get("peak_mib")) for record in records]
    own = [float(peak) for before, peak in peaks if peak is not None and (before is None or peak > before)]
    return round(max(own), 1) if own else None
