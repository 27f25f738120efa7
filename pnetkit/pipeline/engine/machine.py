"""What a run uses of one machine: workers on its cores, its GPUs, and the workers of each of them."""

from dataclasses import dataclass
from typing import Literal

from pnetkit import cuda
from pnetkit.errors import PnetkitError, counted
from pnetkit.networks import choose_device
from pnetkit.pipeline.stages.needs import Needs
from pnetkit.processors import usable_processors

Gpus = Literal["all"] | tuple[int, ...]
"""Which GPUs a run may use, by their number."""

WORKERS_A_GPU = 2
"""Worker processes of a GPU unless a number is given: one uses it while the other one reads and writes."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Say what a run uses: workers for what computes on cores, GPUs (`cuda:0`, ...; none on a CPU), workers of each.

    Without `workers` everything runs in the process of the run. `gpu_workers` of None is one training on a GPU at a
    time, or two of the other tasks; a number is that many tasks on each GPU, whatever they are. A training runs in
    `per_training` processes, one on each of so many GPUs, or all on the processor.
    """

    workers: int
    gpus: tuple[str, ...] = ()
    gpu_workers: int | None = None
    per_training: int = 1

    @property
    def devices(self) -> tuple[str, ...]:
        """Name the devices that networks run on."""
        return self.gpus or ("cpu",)

    @property
    def a_gpu(self) -> int:
        """Give the worker processes of each GPU."""
        return WORKERS_A_GPU if self.gpu_workers is None else self.gpu_workers

    @property
    def gpu_processes(self) -> int:
        """Give the worker processes of all GPUs together."""
        return len(self.gpus) * self.a_gpu if self.workers else 0

    @property
    def helpers(self) -> tuple[str, ...]:
        """Name the devices on which a training of the first device has further processes."""
        return self.helpers_beside(self.devices[0])

    def helpers_beside(self, device: str) -> tuple[str, ...]:
        """Name the devices on which a training on one device has further processes."""
        if not self.gpus:
            return ("cpu",) * (self.per_training - 1)
        return tuple(gpu for gpu in self.gpus if gpu != device)[: self.per_training - 1]

    def at_once(self, needs: Needs) -> int:
        """Give how many tasks of one kind run at the same time."""
        if not self.workers:
            return 1
        if not needs.is_for_gpu or not self.gpus:
            return self.workers
        gpus = len(self.gpus) // (self.per_training if needs.spreads else 1)
        return gpus * (int(1 / needs.gpu) if self.gpu_workers is None else self.gpu_workers)

    def lane_of(self, needs: Needs) -> str:
        """Name the lane of what needs this, and how many tasks of it run at the same time."""
        return f"{'GPU' if needs.is_for_gpu and self.gpus else 'CPU'} x {self.at_once(needs)}"

    def speed_of(self, needs: Needs) -> int:
        """Give how much faster a lane is than one task alone: tasks that share a GPU are counted as no faster."""
        each = self.per_training if needs.spreads else 1
        return (len(self.gpus) // each if needs.is_for_gpu and self.gpus else max(self.workers, 1)) * each

    def in_words(self) -> str:
        """Say it in a line."""
        spread = "" if self.per_training == 1 else f"; each training in {self.per_training} processes"
        if not self.workers:
            return f"Lanes: everything in this process, networks on {self.devices[0]}{spread}."
        cores = f"Lanes: {counted(self.workers, 'worker')} on the processor"
        if not self.gpus:
            return f"{cores}{spread}."
        gpus = f"{'each of ' * (len(self.gpus) > 1)}{', '.join(self.gpus)}"
        return f"{cores}; {self.tasks_in_words()} at once on {gpus}{spread}."

    def tasks_in_words(self) -> str:
        """Say what runs on a GPU at the same time."""
        return "one training or two other tasks" if self.gpu_workers is None else counted(self.gpu_workers, "task")


def choose_machine(
    device: str,
    *,
    gpus: Gpus | None = None,
    workers: int | None = None,
    gpu_workers: int | None = None,
    per_training: int = 1,
) -> Machine:
    """Choose what a run uses: `auto` and `cuda` are all GPUs that there are, another name is that device alone.

    On the processor there are as many workers as have a core for each process of a training, unless a number is given.

    Raises PnetkitError where a GPU is not there, or what is asked for contradicts itself.
    """
    devices = _devices(device, gpus)
    if workers == 0 and gpus is not None and len(devices) > per_training:
        raise PnetkitError(
            f"--workers 0 runs everything in one process, which uses one GPU, and --gpus names {len(devices)}. Leave "
            f"--workers out, or name one GPU."
        )
    if devices and len(devices) < per_training:
        raise PnetkitError(
            f"--devices-per-training {per_training}: {counted(len(devices), 'device')} may be used "
            f"({', '.join(devices)}), and each process of a training needs its own. Give at most {len(devices)}, or "
            f"more --gpus."
        )
    count = workers
    if count is None:
        count = usable_processors() if devices else max(usable_processors() // per_training, 1)
    return Machine(count, devices if count else devices[:per_training], gpu_workers, per_training)


def _devices(device: str, gpus: Gpus | None) -> tuple[str, ...]:
    """Name the accelerators to use; none where networks run on the CPU."""
    if gpus is not None and device not in ("auto", "cuda"):
        raise PnetkitError(f"--device {device} and --gpus {_said(gpus)} contradict each other. Give one of them.")
    there = cuda.count()
    if gpus is not None and not there:
        raise PnetkitError(f"--gpus {_said(gpus)}: there is no GPU here. Look at `pnetkit doctor`.")
    if isinstance(gpus, tuple):
        missing = [number for number in gpus if not 0 <= number < there]
        if missing:
            raise PnetkitError(
                f"--gpus {_said(gpus)}: there is no GPU {missing[0]} here; there {'are' if there > 1 else 'is'} "
                f"{', '.join(map(str, range(there)))}."
            )
        return tuple(f"cuda:{number}" for number in dict.fromkeys(gpus))
    if there and (gpus == "all" or device in ("auto", "cuda")):
        return tuple(f"cuda:{number}" for number in range(there))
    chosen = choose_device(device)
    return () if chosen == "cpu" else (chosen,)


def _said(gpus: Gpus) -> str:
    return gpus if isinstance(gpus, str) else ",".join(map(str, gpus))
