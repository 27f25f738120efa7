"""Nodes for tests: a spec that says what it is told to say."""

import ctypes
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pnetkit.pipeline.engine.schedule import run_nodes
from pnetkit.pipeline.engine.task import Attempted
from pnetkit.pipeline.engine.workers import SerialExecutor, WorkerPool
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.stage import Stage
from pnetkit.pipeline.stages.table import STAGES
from pnetkit.store.node import File, Node, Ref, Subject


@dataclass(frozen=True)
class AnySpec:
    """A spec of any stage; what is not a spec's own business is left empty."""

    stage: str = "measure"
    version: int = 1
    identity: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Ref] = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)


def a_node(stage="measure", case_id=None, *, seen="venous", folds=(0,), weight=1, **spec) -> Node:
    subject = Subject(seen, case_id, () if case_id else folds)
    return Node(AnySpec(stage, **spec), subject, weight)


def killed_or_made(node, context):
    """Stand in for the making of a result in a worker, which ends as if by `kill -9` at a node called `killed`.

    At one called `killed once` it does so the first time only; at one called `crashes` it reads where nothing is.
    """
    name, tried = node.spec.identity["name"], context.store_root / f"{node.key}.tried"
    context.store_root.mkdir(exist_ok=True)
    again = tried.exists()
    tried.write_text(str(os.getpid()))
    if name == "killed" or (name == "killed once" and not again):
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "crashes":
        ctypes.string_at(0)
    time.sleep(node.spec.identity.get("seconds", 0))
    return Attempted(context.store.produce(node.stage, node.key, lambda _: {"name": name}))


def hold_a_worker(connection):
    """Hold a pool of one worker that is at a task for long, and tell its process."""
    with WorkerPool(1, threads=1) as pool:
        worker = pool.submit(os.getpid).result()
        held = pool.submit(time.sleep, 300)
        connection.send(worker)
        held.result()


def make_numbers(connection, root, count, seconds):
    """Make results that hold numbers, in a process of its own: says when it is ready, waits for a word, says the rest.

    A stage sleeps, so that the time does not depend on the cores that a test has.
    """

    def work(spec, context, folder):
        del context
        time.sleep(seconds)
        number = str(spec.identity["number"])
        (folder / "result").write_text(number)
        with (root / "made.log").open("a") as log:
            log.write(f"{number}\n")
        return {}

    STAGES["measure"] = Stage("measure", work)
    nodes = [Node(AnySpec(identity={"number": number}), Subject(str(number), "P1")) for number in range(count)]
    connection.send("ready")
    connection.recv()
    begun = time.monotonic()
    outcome = run_nodes(nodes, SerialExecutor(), Context(root, "cpu", 1))
    of = {"made": len(outcome.made), "failed": len(outcome.failed), "others": len(outcome.by_others(nodes))}
    connection.send({"seconds": time.monotonic() - begun, **of})
