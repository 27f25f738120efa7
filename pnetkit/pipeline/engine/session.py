"""What several runs of one call share, and who is told what goes on."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pnetkit.cohort.checked import CheckedCohort
from pnetkit.pipeline.engine.dask_lanes import open_cluster
from pnetkit.pipeline.engine.lanes import GpuLane, Lanes, LocalLanes, OneLane
from pnetkit.pipeline.engine.machine import Machine
from pnetkit.pipeline.engine.schedule import Progress
from pnetkit.pipeline.engine.workers import THREADS, WorkerPool
from pnetkit.store.node import Node


@dataclass(frozen=True, slots=True)
class Listener:
    """Is told what goes on: sentences, the folder of the run, the nodes planned, and how far each is."""

    say: Callable[[str], None] = field(default=lambda _: None)
    opened: Callable[[Path], None] = field(default=lambda _: None)
    planned: Callable[[Sequence[Node]], None] = field(default=lambda _: None)
    progress: Callable[[Progress], None] = field(default=lambda _: None)


@dataclass(frozen=True, slots=True)
class Session:
    """Hold what several runs share: lanes and what they are made of, and the cohorts that were checked a moment ago.

    Files are checked by `executor`, the workers on the processor's cores.
    """

    executor: Executor
    lanes: Lanes
    machine: Machine
    checked: dict[tuple[object, ...], CheckedCohort] = field(default_factory=dict)


@contextmanager
def open_session(machine: Machine, engine: str = "processes") -> Iterator[Session]:
    """Open the lanes of a machine for one run or several; a worker begins when there is something for its lane.

    With another engine than `processes` the stages have the lanes of a cluster, and the machine's cores check files.
    """
    with ExitStack() as stack:
        cores = stack.enter_context(WorkerPool(machine.workers, threads=THREADS))
        if engine != "processes":
            yield Session(cores, stack.enter_context(open_cluster(engine)), machine)
            return
        if not machine.gpus or not machine.workers:
            yield Session(cores, OneLane(cores), machine)
            return
        gpus = [
            GpuLane(
                device,
                machine.a_gpu,
                stack.enter_context(WorkerPool(machine.a_gpu, threads=THREADS)),
                None if machine.gpu_workers is None else 1 / machine.gpu_workers,
            )
            for device in machine.gpus
        ]
        yield Session(cores, LocalLanes(OneLane(cores), gpus, machine.per_training), machine)
