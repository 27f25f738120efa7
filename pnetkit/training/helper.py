"""A process that computes parts of each batch for the one that leads a training."""

import signal
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pnetkit import cuda
from pnetkit.ahead import made_ahead
from pnetkit.children import end_with_parent
from pnetkit.interfaces import Backbone
from pnetkit.process_memory import keep_freed_memory
from pnetkit.training.exchange import (
    Meeting,
    computed_message,
    empty_state_message,
    error_message,
    meet,
    take_state,
)
from pnetkit.training.freezing import hold_taken
from pnetkit.training.modules import as_module
from pnetkit.training.norms import running_norms, statistics_apart
from pnetkit.training.parts import Drawn, Part, compute_part, draw, drawing_threads, share_of
from pnetkit.training.plan import TrainingPlan
from pnetkit.training.sampling import StoredCase, TrainingCase
from pnetkit.training.step import ready_to_train

Opening = Callable[[], tuple[Backbone, Sequence[TrainingCase | StoredCase]]]
"""Builds the network of a training and opens its cases; another process has to be able to import it."""


@dataclass(frozen=True, slots=True)
class Helping:
    """Say what a helper does: where it meets the others, what it trains and how, from which iteration on.

    `threads` is the number of CPU threads, which has to be that of the leading process; `gpu_bytes` is what it may take
    of a GPU's memory, None for all of it.
    """

    meeting: Meeting
    opening: Opening
    plan: TrainingPlan
    seed: int
    first: int
    threads: int
    draw_ahead: bool
    gpu_bytes: int | None = None


def help_with(helping: Helping, rank: int, told: Connection) -> None:
    """Compute this process's parts of every batch until the training is done; it ends with the leading process.

    Says through `told` that it is ready, by an empty message, or why it cannot help.
    """
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever interrupts a run means the leading process, and this ends
    torch.set_num_threads(helping.threads)
    keep_freed_memory()
    device = helping.meeting.devices[rank]
    try:
        cuda.make_current(device)
        if helping.gpu_bytes is not None:
            cuda.limit_memory(device, helping.gpu_bytes)
        backbone, cases = helping.opening()
        ready_to_train(backbone, device)
    except Exception as error:  # noqa: BLE001  # a plugin may raise anything, and the leading process says it
        kind, words = error_message(error)
        told.send_bytes(bytes([kind]) + words)
        return
    told.send_bytes(b"")
    meet(helping.meeting, rank)
    _help(helping, rank, backbone, cases)
    dist.destroy_process_group()


def _help(helping: Helping, rank: int, backbone: Backbone, cases: Sequence[TrainingCase | StoredCase]) -> None:
    plan, meeting, network = helping.plan, helping.meeting, as_module(backbone)
    device = meeting.devices[rank]
    share = share_of(rank, len(meeting.devices), plan.accumulation)

    def make(iteration: int) -> Drawn:
        return draw(cases, plan, seed=helping.seed, iteration=iteration, share=share, device=device)

    message = empty_state_message(network, device)
    iterations = range(helping.first, plan.iterations)
    with (
        cuda.single_precision(tf32=plan.precision == "tf32"),
        closing(made_ahead(make, iterations, threads=drawing_threads(plan) if helping.draw_ahead else 0)) as batches,
    ):
        for iteration, drawn in batches:
            hold_taken(network, plan, iteration)
            dist.broadcast(message, 0)
            try:
                scale = take_state(network, message)
                found = [_computed(backbone, network, part, plan, device, scale) for part in drawn().parts]
            except Exception as error:  # noqa: BLE001  # a plugin may raise anything, and the leading process says it
                _say(error, device)
                return
            for head, computed in found:  # when all are computed: until then the leading process is busy as well
                dist.send(head, 0)
                dist.send(computed, 0)


def _computed(
    backbone: Backbone, network: nn.Module, part: Part, plan: TrainingPlan, device: str, scale: float
) -> tuple[Tensor, Tensor]:
    """Compute one part from nothing and give it as messages."""
    network.zero_grad(set_to_none=True)
    factor = torch.tensor(scale, dtype=torch.float32, device=device)
    with statistics_apart(running_norms(network)) as calls:
        loss = compute_part(backbone, part, plan, device, lambda x: x * factor if plan.precision == "fp16" else x)
    return computed_message(network, loss, calls)


def _say(error: Exception, device: str) -> None:
    kind, words = error_message(error)
    dist.send(torch.tensor([kind, len(words), 0], dtype=torch.int64, device=device), 0)
    dist.send(torch.frombuffer(bytearray(words), dtype=torch.uint8).to(device), 0)
