"""Where tasks run: whatever says when it has room for what a task needs, and takes it then.

The scheduler knows no more than this. On one machine lanes are processes: one pool for all that computes on cores, and
one for each GPU, whose tasks are given its device and their share of its memory.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from pnetkit.pipeline.stages.context import Context
from pnetkit.pipeline.stages.needs import Needs

MOST_IN_FLIGHT = 256
"""Tasks handed to an executor at a time: more than any machine has workers, few enough to be looked through."""

Work = Callable[[Context], Any]
"""A task that can travel to another process: told where it runs, it makes its nodes and says how each of them ended."""


@runtime_checkable
class Lanes(Protocol):
    """What tasks are handed to. A future raises WorkerDiedError where the process died in which its task ran."""

    def has_room(self, needs: Needs) -> bool:
        """Tell whether a task may be handed in now; what has room for one need may have none for another."""

    def hand_in(self, work: Work, context: Context, needs: Needs) -> Future[Any]:
        """Begin a task, or let it wait for a worker; what it is given of the context is the lane's to say."""


@dataclass(slots=True)
class OneLane:
    """Gives everything to one executor, with the context as it is: what computes on a device computes on the run's."""

    executor: Executor
    running: set[Future[Any]] = field(default_factory=set)

    def has_room(self, needs: Needs) -> bool:
        """Tell whether few enough tasks are under way."""
        del needs
        if len(self.running) >= MOST_IN_FLIGHT:
            self.running = {future for future in self.running if not future.done()}
        return len(self.running) < MOST_IN_FLIGHT

    def hand_in(self, work: Work, context: Context, needs: Needs) -> Future[Any]:
        """Hand a task to the executor."""
        del needs
        future = self.executor.submit(work, context)
        self.running.add(future)
        return future


@dataclass(slots=True)
class GpuLane:
    """The workers of one GPU. They share it as stages say, or, where there is a `share`, each task has that one."""

    device: str
    workers: int
    executor: Executor
    share: float | None = None
    running: dict[Future[Any], float] = field(default_factory=dict)

    def share_of(self, needs: Needs) -> float:
        """Give which share of the GPU a task has."""
        return needs.gpu if self.share is None else self.share

    def taken(self) -> float:
        """Give the share that tasks under way have."""
        self.running = {future: share for future, share in self.running.items() if not future.done()}
        return sum(self.running.values())

    def has_room(self, needs: Needs) -> bool:
        """Tell whether a worker is free, and the share that a task needs."""
        return self.taken() + self.share_of(needs) < 1 + 1e-6 and len(self.running) < self.workers  # thirds sum to 1

    def hand_in(self, work: Work, context: Context, needs: Needs, helpers: tuple[str, ...] = ()) -> Future[Any]:
        """Begin a task on this GPU, which has `helpers` on others."""
        share = self.share_of(needs)
        here = context.on(self.device, share=share, is_shared=self.workers > 1, helpers=helpers)
        future = self.executor.submit(work, here)
        self.running[future] = share
        return future


@dataclass(slots=True)
class LocalLanes:
    """Gives what needs a GPU to the one of which least is taken, and everything else to the cores.

    What runs on cores is told that its device is the CPU, and never begins to use a GPU. What spreads takes
    `a_training` GPUs at once.
    """

    cores: OneLane
    gpus: Sequence[GpuLane]
    a_training: int = 1

    def has_room(self, needs: Needs) -> bool:
        """Tell whether some GPU has room, or the cores have."""
        if not needs.is_for_gpu:
            return self.cores.has_room(needs)
        return sum(of.has_room(needs) for of in self.gpus) >= (self.a_training if needs.spreads else 1)

    def hand_in(self, work: Work, context: Context, needs: Needs) -> Future[Any]:
        """Begin a task where there is room for it."""
        if not needs.is_for_gpu:
            return self.cores.hand_in(work, context.on("cpu", share=0, is_shared=False), needs)
        first, *others = sorted((of for of in self.gpus if of.has_room(needs)), key=GpuLane.taken)
        others = others[: self.a_training - 1] if needs.spreads else []
        future = first.hand_in(work, context, needs, helpers=tuple(of.device for of in others))
        for of in others:
            of.running[future] = of.share_of(needs)
        return future
