"""Take the statistics of a batch's parts apart from the running ones of batch norms, and move these by them in order.

A batch norm moves its running mean and variance at every call, by momentum: what they are after a step depends on the
order of the calls. So where a batch has parts, norms note the statistics of each call, whichever process makes it, and
the running ones are moved afterwards, in the order of the parts, as torch would have done it: to the bit on a CPU
without fused multiply-adds (x86), which `tests/training/test_norms.py` holds.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

REPEATED = 0.0
"""The momentum of a norm whose call is one that was made before, and is made again for a backward pass."""


@dataclass(frozen=True, slots=True, eq=False)
class NormCall:
    """Hold what one call of a batch norm saw: the norm's place among all, mean and unbiased variance (channel,).

    `is_wide` tells that the input was in single precision: torch then adds variances up in double.
    """

    norm: int
    is_wide: bool
    mean: Tensor
    variance: Tensor


def running_norms(network: nn.Module) -> list[_BatchNorm]:
    """Give the batch norms that move running statistics in training, in the network's order; torch's own only."""
    return [
        module
        for module in network.modules()
        if isinstance(module, _BatchNorm)
        and type(module).forward is _BatchNorm.forward
        and module.training
        and module.running_mean is not None
    ]


@contextmanager
def statistics_apart(norms: Sequence[_BatchNorm]) -> Iterator[list[NormCall]]:
    """Leave running statistics alone until the block ends, and note what each call of a norm saw."""
    calls: list[NormCall] = []
    with _each_restored(norms, 1.0):
        hooks = [norm.register_forward_hook(_noting(place, calls)) for place, norm in enumerate(norms)]
        try:
            yield calls
        finally:
            for hook in hooks:
                hook.remove()


@contextmanager
def statistics_of_repeated_calls(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Leave running statistics alone until the block ends; calls in it are noted nowhere, as they were made before."""
    with _each_restored(norms, REPEATED):
        yield


def replay(norms: Sequence[_BatchNorm], calls: Sequence[NormCall]) -> None:
    """Move running statistics by what calls saw, in their order."""
    with torch.no_grad():
        for call in calls:
            norm = norms[call.norm]
            mean, variance, factor = norm.running_mean, norm.running_var, norm.momentum
            if mean is None or variance is None:
                raise RuntimeError("a batch norm lost its running statistics in the middle of a step")
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked.add_(1)
                factor = 1 / float(norm.num_batches_tracked) if factor is None else factor
            new, old = _in_single(0.0 if factor is None else factor)
            mean.copy_(call.mean * new + mean * old)
            if call.is_wide:
                variance.copy_(call.variance.double() * new + (variance * old).double())
            else:
                variance.copy_(call.variance * new + variance * old)


def _in_single(momentum: float) -> tuple[float, float]:
    """Give momentum and what is left to one, each rounded as torch's kernel does."""
    new = torch.tensor(momentum, dtype=torch.float32)
    return float(new), float(1 - new)


@contextmanager
def _each_restored(norms: Sequence[_BatchNorm], momentum_meanwhile: float) -> Iterator[None]:
    """Put tensors in the place of running statistics; with a momentum of 1 a call writes its own into these zeros."""
    before = [(norm.running_mean, norm.running_var, norm.num_batches_tracked, norm.momentum) for norm in norms]
    try:
        for norm, (mean, variance, tracked, _) in zip(norms, before, strict=True):
            norm.momentum = momentum_meanwhile
            norm.running_mean = None if mean is None else torch.zeros_like(mean)
            norm.running_var = None if variance is None else torch.zeros_like(variance)
            norm.num_batches_tracked = None if tracked is None else torch.zeros_like(tracked)
        yield
    finally:
        for norm, (mean, variance, tracked, momentum) in zip(norms, before, strict=True):
            norm.running_mean, norm.running_var, norm.num_batches_tracked = mean, variance, tracked
            norm.momentum = momentum


def _noting(place: int, calls: list[NormCall]) -> Any:
    def note(norm: _BatchNorm, given: tuple[Tensor, ...], _output: Tensor) -> None:
        if norm.running_mean is None or norm.running_var is None or norm.momentum == REPEATED:
            return
        is_wide = given[0].dtype in {torch.float32, torch.float64}
        calls.append(NormCall(place, is_wide, norm.running_mean.clone(), norm.running_var.clone()))

    return note
