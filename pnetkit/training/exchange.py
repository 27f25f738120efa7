"""What processes that share a training tell each other: the weights of a step, what a part came to, and errors."""

import os
import socket
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pnetkit import cuda
from pnetkit.errors import PnetkitError, TrainingError
from pnetkit.training.messages import packed, packed_size, unpacked
from pnetkit.training.norms import NormCall
from pnetkit.training.step import Computed

LONGEST_WAIT_S = 1800
"""Seconds that one process waits for another, which may compute large parts on a slow processor."""

HEAD = 3
"""Numbers before what a part came to: whether it is that or an error, its bytes, calls of batch norms."""

COMPUTED, REFUSED, NO_MEMORY, NO_GPU_MEMORY, BROKEN = range(5)


@dataclass(frozen=True, slots=True)
class Meeting:
    """Say where processes meet that share a training, on which devices they compute, the leading one's first."""

    place: Path
    devices: tuple[str, ...]

    @property
    def backend(self) -> str:
        """Give what torch.distributed sends with: NCCL between GPUs, gloo between processors."""
        return "nccl" if cuda.is_gpu(self.devices[0]) else "gloo"


def meet(meeting: Meeting, rank: int) -> None:
    """Wait for all processes of a training, and connect them, through this machine alone."""
    named = {name for _, name in socket.if_nameindex()}
    own = next((name for name in ("lo", "lo0") if name in named), None)
    if own is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", own)  # gloo would listen where the host's name points to
    dist.init_process_group(
        meeting.backend,
        store=dist.FileStore(  # type: ignore[attr-defined]  # public, and not in its __all__
            str(meeting.place), len(meeting.devices)
        ),
        rank=rank,
        world_size=len(meeting.devices),
        timeout=timedelta(seconds=LONGEST_WAIT_S),
        device_id=torch.device(meeting.devices[rank]) if meeting.backend == "nccl" else None,
    )


def state_message(network: nn.Module, scale: float, device: str) -> Tensor:
    """Give the weights and buffers of a step, and what losses are multiplied with, as a message."""
    return packed([torch.tensor(scale, dtype=torch.float64, device=device), *_state(network)])


def empty_state_message(network: nn.Module, device: str) -> Tensor:
    """Give room for a message of the state of such a network."""
    size = packed_size([torch.empty((), dtype=torch.float64), *_state(network)])
    return torch.empty(size, dtype=torch.uint8, device=device)


def take_state(network: nn.Module, message: Tensor) -> float:
    """Give a network the weights and buffers of a message, and return what losses are multiplied with."""
    own = _state(network)
    (scale, *values), _ = unpacked(message, [torch.empty((), dtype=torch.float64), *own])
    with torch.no_grad():
        for tensor, value in zip(own, values, strict=True):
            tensor.copy_(value)
    return float(scale)


def computed_message(network: nn.Module, loss: Tensor, calls: Sequence[NormCall]) -> tuple[Tensor, Tensor]:
    """Give what a part came to, gradients among it, as a head and a message."""
    gradients = [parameter.grad for parameter in network.parameters()]
    numbers: dict[str, Any] = {"dtype": torch.int64, "device": loss.device}
    message = packed(
        [
            loss.double(),
            torch.tensor([gradient is not None for gradient in gradients], device=loss.device),
            torch.tensor([call.norm for call in calls], **numbers),
            torch.tensor([call.is_wide for call in calls], **numbers),
            *(call.mean for call in calls),
            *(call.variance for call in calls),
            *(gradient for gradient in gradients if gradient is not None),
        ]
    )
    return torch.tensor([COMPUTED, len(message), len(calls)], **numbers), message


def taken_computed(network: nn.Module, norms: Sequence[_BatchNorm], message: Tensor, calls: int) -> Computed:
    """Read what a part came to."""
    parameters, numbers = list(network.parameters()), torch.empty(calls, dtype=torch.int64)
    like = [torch.empty((), dtype=torch.float64), torch.empty(len(parameters), dtype=torch.bool), numbers, numbers]
    (loss, given, places, wide), rest = unpacked(message, like)
    of_norms = [_moved(norms[place]) for place in places.tolist()]
    means, rest = unpacked(rest, of_norms)
    variances, rest = unpacked(rest, of_norms)
    is_given = given.tolist()
    found, _ = unpacked(rest, [parameter for parameter, there in zip(parameters, is_given, strict=True) if there])
    values = iter(found)
    gradients = [next(values) if there else None for there in is_given]
    seen = zip(places.tolist(), wide.tolist(), means, variances, strict=True)
    return Computed(loss, gradients, [NormCall(place, bool(is_wide), m, v) for place, is_wide, m, v in seen])


def error_message(error: Exception) -> tuple[int, bytes]:
    """Say an error to another process: of what kind, and in words."""
    if isinstance(error, PnetkitError):
        return REFUSED, str(error).encode()
    if isinstance(error, torch.OutOfMemoryError):
        return NO_GPU_MEMORY, str(error).encode()
    if isinstance(error, MemoryError):
        return NO_MEMORY, str(error).encode()
    return BROKEN, "".join(traceback.format_exception(error)).encode()


def raise_error(kind: int, text: bytes, rank: int) -> NoReturn:
    """Raise what another process said, as an error of the same kind."""
    words = text.decode()
    if kind == REFUSED:
        raise TrainingError(words)
    if kind == NO_GPU_MEMORY:
        raise torch.OutOfMemoryError(words)
    if kind == NO_MEMORY:
        raise MemoryError(words)
    raise RuntimeError(f"in process {rank + 1} of the training: {words}")


def _state(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


def _moved(norm: _BatchNorm) -> Tensor:
    if norm.running_mean is None:
        raise RuntimeError("a batch norm lost its running statistics in the middle of a step")
    return norm.running_mean
