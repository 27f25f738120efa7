"""Make one result in a worker, and say how it was made."""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pnetkit import cuda
from pnetkit.errors import ProcessDiedError, StoreError
from pnetkit.files import held_still, require_digest
from pnetkit.pipeline.engine.failure import Failure, failure_of
from pnetkit.pipeline.engine.workers import Death, WorkerDiedError
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.table import STAGES
from pnetkit.process_memory import give_back_freed_memory, peak_memory_mib, restart_peak_memory
from pnetkit.provenance import versions
from pnetkit.sources import made_with
from pnetkit.store.node import Node
from pnetkit.store.store import MadeElsewhereError


@dataclass(frozen=True, slots=True)
class Attempted:
    """Say how a piece of work ended: made, there already, failed, or passed over because another process makes it."""

    was_made: bool
    failure: Failure | None = None
    is_elsewhere: bool = False


def attempt(node: Node, context: Context) -> Attempted:
    """Make one node's result, and say in words why it could not be made.

    Raises WorkerDiedError where a process died that this one needed for it: it costs what the death of this one would.
    Where the context `raises`, whatever the stage raised.
    """
    try:
        return Attempted(execute(node, context))
    except MadeElsewhereError:
        return Attempted(False, is_elsewhere=True)
    except ProcessDiedError as error:
        raise WorkerDiedError(Death(error.how)) from None
    except Exception as error:  # a plugin may raise anything, also what cannot travel to another process
        if context.raises:
            raise
        return Attempted(False, failure_of(error))


def in_order(
    nodes: Sequence[Node], context: Context, *, make: Callable[[Node, Context], Attempted] = attempt
) -> dict[str, Attempted]:
    """Make several nodes' results, each after what it builds on; say by key how those ended that were tried.

    What builds on one that failed, or that another process is making, is not tried. The disk is asked once to keep what
    all of them renamed.
    """
    ended: dict[str, Attempted] = {}
    missing: set[str] = set()
    for node in nodes:
        if node.needs & missing:
            missing.add(node.key)
            continue
        ended[node.key] = make(node, context)
        if ended[node.key].failure is not None or ended[node.key].is_elsewhere:
            missing.add(node.key)
    if context.is_shared and any(STAGES[node.stage].needs.is_for_gpu for node in nodes):
        cuda.give_back_freed()  # here: an error held what a network had computed, and others may need it now
    made = [node for node in nodes if node.key in ended and ended[node.key].was_made]
    try:
        context.store.sync(node.stage for node in made)
    except StoreError as error:
        return ended | {node.key: Attempted(False, failure_of(error)) for node in made}
    return ended


def execute(node: Node, context: Context) -> bool:
    """Make one node's result in the store, in whatever process this is; tell whether it had to be made.

    Who calls this has to `sync` the store afterwards.
    Raises MadeElsewhereError while another process makes it; ImageError where a file that it reads is not the one that
    its key names, or does not stay it meanwhile: the result of one content must not lie under the key of another.
    """
    stage = STAGES[node.stage]
    files = node.spec.files.values()

    def make(folder: Path) -> dict[str, Any]:
        give_back_freed_memory()  # of whatever this worker made before, so that the peak is this node's own
        restart_peak_memory()
        started, before = time.perf_counter(), peak_memory_mib()
        if stage.needs.is_for_gpu:
            cuda.make_current(context.device)
            cuda.restart_peak(context.device)
            if context.gpu_bytes is not None:
                cuda.limit_memory(context.device, context.gpu_bytes)
        context.store.await_results(node.spec.inputs.values())
        with held_still(file.path for file in files), cuda.single_precision(tf32=False):  # for plugins' own networks
            for file in files:
                require_digest(file.path, file.digest)
            details = stage.run(node.spec, context, folder)
        return _record(node, context, details, time.perf_counter() - started, before)

    return context.store.produce(
        node.stage, node.key, make, keeps_partial=stage.keeps_partial, wait=False, is_synced=False
    )


def _record(
    node: Node, context: Context, details: Mapping[str, Any], seconds: float, peak_before_mib: float | None
) -> dict[str, Any]:
    return {
        "stage": node.stage,
        "key": node.key,
        "label": node.label,
        "identity": dict(node.spec.identity),
        "inputs": {name: ref.key for name, ref in node.spec.inputs.items()},
        "files": {name: file.digest for name, file in node.spec.files.items()},
        "made_with": made_with(node.spec.identity),
        "details": dict(details),
        "seconds": round(seconds, 3),
        "peak_mib": peak_memory_mib(),
        "peak_before_mib": peak_before_mib,  # where a peak cannot begin anew, only what raised it made it
        "gpu_peak_mib": cuda.peak_mib(context.device) if STAGES[node.stage].needs.is_for_gpu else None,
        "device": context.device,
        "threads": context.threads,
        "machine": platform.machine(),
        "host": platform.node(),
        "process": os.getpid(),
        "versions": versions(),
    }
