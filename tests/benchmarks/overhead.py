"""Time what a node costs beside its work: from the moment it can begin to the moment it is recorded, on one core.

Each case is a chain as of predictions made elsewhere: taken over, cleaned up, classified and measured. The stages do
nothing, so all that is timed is the scheduler, the way to a worker and back, locks, records and the disk's promises.
"""

import os
import time
from concurrent.futures import Executor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from pnetkit.locks.way import agree
from pnetkit.pipeline.engine import schedule
from pnetkit.pipeline.engine.schedule import run_nodes
from pnetkit.pipeline.engine.task import Attempted, attempt
from pnetkit.pipeline.engine.workers import WorkerPool
from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.stage import Stage
from pnetkit.pipeline.stages.table import STAGES
from pnetkit.store.node import Node, Subject
from tests.nodes import AnySpec

CHAIN = ("adopt", "postprocess", "classify", "measure")


def _nothing(spec: Any, context: Context, folder: Path) -> dict[str, Any]:
    del spec, context, folder
    return {}


IDLE = {name: Stage(name, _nothing, is_small=True) for name in CHAIN}
"""Stages that do nothing."""


def attempt_nothing(node: Node, context: Context) -> Attempted:
    """Make a node of a stage that does nothing, in whatever process this is."""
    STAGES.update(IDLE)
    return attempt(node, context)


def nodes_of(cases: int) -> list[Node]:
    """Give the chains of so many cases, case by case."""
    nodes = []
    for number in range(cases):
        subject = Subject("venous", f"C{number:05}")
        made: dict[str, Node] = {}
        for stage in CHAIN:
            last = made.get("postprocess") or made.get("adopt")
            inputs = {} if last is None else {last.stage: last.ref}
            made[stage] = Node(AnySpec(stage, identity={"case": number}, inputs=inputs), subject)
        nodes += made.values()
    return nodes


def _processor_seconds(pool: Executor, workers: int) -> float:
    """Give the processor seconds of this process and its one worker."""
    return time.process_time() + (float(pool.submit(time.process_time).result()) if workers else 0.0)


@click.command()
@click.option("--cases", default=200, show_default=True)
@click.option("--workers", type=click.IntRange(0, 1), multiple=True, default=(0, 1), show_default=True)
@click.option("--place", type=click.Path(path_type=Path), help="Folder on the disk to be timed. [default: temporary]")
def main(cases: int, workers: tuple[int, ...], place: Path | None) -> None:
    """Print a row for each number of workers."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    schedule.attempt = attempt_nothing  # type: ignore[attr-defined]
    click.echo("| workers | nodes | ms a node, all on one core | of it processor |")
    click.echo("|---|---|---|---|")
    for count in workers:
        with TemporaryDirectory(dir=place) as folder, WorkerPool(count, threads=1) as pool:
            context = Context(Path(folder) / "store", "cpu", 1)
            agree(context.store_root)  # as a run does
            warm = [Node(AnySpec("measure", identity={"warm": True}), Subject("venous", "warm"))]
            run_nodes(warm, pool, context)
            nodes = nodes_of(cases)
            started, used = time.perf_counter(), _processor_seconds(pool, count)
            outcome = run_nodes(nodes, pool, context)
            seconds, used = time.perf_counter() - started, _processor_seconds(pool, count) - used
            if len(outcome.made) != len(nodes):
                raise click.ClickException(f"{len(outcome.made)} of {len(nodes)} were made")
            each = [1000 * of / len(nodes) for of in (seconds, used)]
            click.echo(f"| {count} | {len(nodes)} | {each[0]:.2f} | {each[1]:.2f} |")


if __name__ == "__main__":
    main()
