"""What several runs of one call share, and who is told what goes on."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field

from pnetkit.cohort.checked import CheckedCohort
from pnetkit.pipeline.engine.schedule import Progress
from pnetkit.pipeline.engine.workers import THREADS, WorkerPool, default_workers
from pnetkit.store.node import Node


@dataclass(frozen=True, slots=True)
class Listener:
    """Is told what goes on: sentences, the nodes planned, and how far each is."""

    say: Callable[[str], None] = field(default=lambda _: None)
    planned: Callable[[Sequence[Node]], None] = field(default=lambda _: None)
    progress: Callable[[Progress], None] = field(default=lambda _: None)


@dataclass(frozen=True, slots=True)
class Session:
    """Hold what several runs share: the workers and their number, and the cohorts that were checked a moment ago."""

    executor: Executor
    workers: int
    checked: dict[tuple[object, ...], CheckedCohort] = field(default_factory=dict)


@contextmanager
def open_session(device: str, workers: int | None) -> Iterator[Session]:
    """Start the workers for one run or several."""
    count = default_workers(device) if workers is None else workers
    with WorkerPool(count, threads=THREADS) as executor:
        yield Session(executor, count)
