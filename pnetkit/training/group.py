"""The processes that share one training, seen from the one that leads it: it starts them, and they end with it.

The leading process alone holds the optimizer and writes checkpoints. It hands out the weights of each step, computes
the first parts of the batch itself, and takes in what the others computed; so how many there are changes no bit, and a
training may go on with another number.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pnetkit.children import forks_of_a_server, how_it_ended
from pnetkit.errors import ProcessDiedError, TrainingError
from pnetkit.training.exchange import (
    COMPUTED,
    HEAD,
    LONGEST_WAIT_S,
    Meeting,
    meet,
    raise_error,
    state_message,
    taken_computed,
)
from pnetkit.training.helper import Helping, Opening, help_with
from pnetkit.training.norms import running_norms
from pnetkit.training.plan import TrainingPlan
from pnetkit.training.step import Computed

PATIENCE_S = 10
"""Seconds within which a process has ended whose connection is gone."""


@dataclass(frozen=True, slots=True)
class Helpers:
    """Say on which devices further processes compute parts, and how each of them comes by network and cases."""

    devices: tuple[str, ...]
    opening: Opening
    gpu_bytes: int | None = None


class Group:
    """The helpers of a training under way, by rank; the leading process is rank 0."""

    def __init__(self, processes: Sequence[BaseProcess], meeting: Meeting, parts_each: int) -> None:
        self._processes = processes
        self._meeting = meeting
        self._parts_each = parts_each
        self._buffers: dict[str, tuple[Tensor, int]] = {}

    def hand_out(self, network: nn.Module, scale: float) -> None:
        """Give all helpers the weights of this step."""
        self._buffers = _other_buffers(network)
        message = state_message(network, scale, self._meeting.devices[0])
        with _losses_in_words(self._processes):
            dist.broadcast(message, 0)  # between GPUs nothing is waited for here

    def gather(self, network: nn.Module) -> list[Computed]:
        """Give what the helpers' parts came to, in the parts' order.

        Raises:
            ProcessDiedError: a helper died.
            TrainingError: a helper could not compute its parts, or the network's parts depend on each other.
        """
        _require_independent(network, self._buffers)
        norms, found = running_norms(network), []
        for rank in range(1, len(self._meeting.devices)):
            for _ in range(self._parts_each):
                kind, size, calls = self._received(rank, torch.int64, HEAD).tolist()
                message = self._received(rank, torch.uint8, size)
                if kind != COMPUTED:
                    raise_error(kind, bytes(message.cpu().numpy()), rank)
                found.append(taken_computed(network, norms, message, calls))
        return found

    def _received(self, rank: int, dtype: torch.dtype, count: int) -> Tensor:
        message = torch.empty(count, dtype=dtype, device=self._meeting.devices[0])
        with _losses_in_words(self._processes):
            work = dist.irecv(message, rank)
            if work is None:
                raise RuntimeError("this process is not among those of the training")
            if self._meeting.backend == "nccl":  # which would wait for a dead process as for a living one
                _poll(work, self._processes)
            work.wait()
        return message


@contextmanager
def open_group(
    helpers: Helpers, plan: TrainingPlan, *, device: str, seed: int, first: int, draw_ahead: bool, network: nn.Module
) -> Iterator[Group]:
    """Start the helpers of a training that goes on at iteration `first`, and end them when the block ends.

    Raises:
        ProcessDiedError: a helper died before it was ready.
        TrainingError: a helper cannot begin, or the network is none whose parts may be computed apart.
    """
    devices = (device, *helpers.devices)
    _require_no_synchronized_norms(network, len(devices))
    failed = True
    with TemporaryDirectory(prefix="pnetkit-training-") as folder:
        meeting = Meeting(Path(folder) / "meeting", devices)
        helping = Helping(
            meeting, helpers.opening, plan, seed, first, torch.get_num_threads(), draw_ahead, helpers.gpu_bytes
        )
        started = [_start(helping, rank) for rank in range(1, len(devices))]
        processes = [process for process, _ in started]
        try:
            for rank, (_, told) in enumerate(started, start=1):
                _await(told, rank, processes)
            with _losses_in_words(processes):
                meet(meeting, 0)
            yield Group(processes, meeting, plan.accumulation // len(devices))
            failed = False
        finally:
            _end(processes, meeting, failed=failed)


def _start(helping: Helping, rank: int) -> tuple[BaseProcess, Connection]:
    context: Any = forks_of_a_server("pnetkit.training.helper")  # whose kinds of context typeshed tells apart
    told, telling = context.Pipe(duplex=False)
    process = context.Process(target=help_with, args=(helping, rank, telling), name=f"training-{rank}", daemon=True)
    process.start()
    telling.close()  # so that the other end is gone when the process is
    return process, told


def _await(told: Connection, rank: int, processes: Sequence[BaseProcess]) -> None:
    """Wait until a helper is ready, or says why it cannot help."""
    if not told.poll(LONGEST_WAIT_S):
        raise TrainingError(f"Process {rank + 1} of the training was not ready after {LONGEST_WAIT_S} seconds.")
    try:
        said = told.recv_bytes()
    except EOFError:
        _require_alive(processes, PATIENCE_S)
        raise
    if said:
        raise_error(said[0], said[1:], rank)


@contextmanager
def _losses_in_words(processes: Sequence[BaseProcess]) -> Iterator[None]:
    """Say so where the other end of a connection is gone, or does not answer."""
    try:
        yield
    except RuntimeError as error:
        _require_alive(processes, PATIENCE_S)
        raise TrainingError(
            f"The processes of the training lost each other, or one did not answer for {LONGEST_WAIT_S} seconds "
            f"({error}). Run again: it goes on from its last checkpoint."
        ) from error


def _require_alive(processes: Sequence[BaseProcess], patience_s: float) -> None:
    """Raise ProcessDiedError where one of the helpers has ended, or does within `patience_s`."""
    until = time.monotonic() + patience_s
    while True:
        for rank, process in enumerate(processes, start=1):
            if process.exitcode is not None:
                total = len(processes) + 1
                raise ProcessDiedError(
                    f"lost its process {rank + 1} of {total}, which {how_it_ended(process.exitcode)}"
                )
        if time.monotonic() > until:
            return
        time.sleep(0.05)


def _poll(work: Any, processes: Sequence[BaseProcess]) -> None:
    until = time.monotonic() + LONGEST_WAIT_S
    while not work.is_completed():
        _require_alive(processes, -1)
        if time.monotonic() > until:
            raise RuntimeError("no answer")
        time.sleep(0.0005)


def _end(processes: Sequence[BaseProcess], meeting: Meeting, *, failed: bool) -> None:
    if failed:
        for process in processes:
            process.kill()
    if dist.is_initialized():
        if failed and meeting.backend == "nccl":
            dist.distributed_c10d._abort_process_group()  # the other end is gone, and destroying would wait for it
        else:
            dist.destroy_process_group()
    for process in processes:
        process.join(PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()


def _other_buffers(network: nn.Module) -> dict[str, tuple[Tensor, int]]:
    """Give the buffers beside running statistics, and how often each was written to."""
    own = {id(buffer) for norm in running_norms(network) for buffer in norm.buffers(recurse=False)}
    return {name: (buffer, buffer._version) for name, buffer in network.named_buffers() if id(buffer) not in own}


def _require_independent(network: nn.Module, before: dict[str, tuple[Tensor, int]]) -> None:
    """Refuse a network that keeps more between parts than what batch norms do: each part would need the one before."""
    for name, (buffer, version) in _other_buffers(network).items():
        was, then = before.get(name, (None, 0))
        if buffer is not was or version != then:
            raise TrainingError(
                f"The network {type(network).__name__} writes its buffer {name} in a training step, so a part of a "
                f"batch depends on the parts before it, and several processes would train another network. Train it "
                f"with one process: --devices-per-training 1."
            )


def _require_no_synchronized_norms(network: nn.Module, processes: int) -> None:
    if any(isinstance(module, nn.SyncBatchNorm) for module in network.modules()):
        raise TrainingError(
            f"The network {type(network).__name__} has batch norms that are synchronized between processes "
            f"(SyncBatchNorm), so {processes} of them would train another network than one. Train it with one process: "
            f"--devices-per-training 1."
        )
