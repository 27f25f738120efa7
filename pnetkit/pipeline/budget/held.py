"""Say after a run what its workers held of the memory, beside what they might take."""

from collections.abc import Collection, Sequence
from typing import Any

from pnetkit.pipeline.budget.fit import Fit, after_run
from pnetkit.pipeline.budget.vram import held_on_gpu
from pnetkit.store.node import Node
from pnetkit.store.store import Store


def memory_held(
    fit: Fit, nodes: Sequence[Node], made: Collection[str], store: Store
) -> tuple[dict[str, Any], list[str]]:
    """Hold the peaks of what was made in this run against its budget: the record, and it in words."""
    records = {node.key: store.record(node.stage, node.key) for node in nodes if node.key in made}
    known = {key: of for key, of in records.items() if of["peak_mib"] is not None}
    peaks = {key: (float(of["peak_before_mib"]), float(of["peak_mib"])) for key, of in known.items()}
    record, line = after_run(fit, nodes, peaks)
    gpu_peaks = {key: float(of["gpu_peak_mib"]) for key, of in records.items() if of["gpu_peak_mib"] is not None}
    on_gpu, gpu_line = held_on_gpu(fit.gpu_bytes, nodes, gpu_peaks)
    return record | on_gpu, [said for said in (line, gpu_line) if said]
