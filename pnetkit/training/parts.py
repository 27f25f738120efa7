"""The parts of a batch: drawn by seed and iteration alone, computed one after the other by whichever process has them.

What a part gives, gradients, loss, statistics of batch norms, depends on the weights, the seed, the iteration and the
part's number, and on nothing that other parts leave behind.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pnetkit import cuda
from pnetkit.errors import TrainingError
from pnetkit.interfaces import Backbone
from pnetkit.networks import autocast, checked_output
from pnetkit.training.augmentation import augment
from pnetkit.training.loss import deep_supervision_loss
from pnetkit.training.modules import as_module
from pnetkit.training.plan import TrainingPlan
from pnetkit.training.recomputation import recomputing
from pnetkit.training.sampling import Batch, Share, StoredCase, TrainingCase, draw_batch
from pnetkit.training.strong import strong_patch
from pnetkit.training.unsure import is_unsure


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Hold patches `x` (patch, channel, x, y, z) float32, labels `y` (patch, x, y, z) uint8, the seed of dropout.

    Both lie in the processor's memory, for a GPU in pages from which it copies while the processor goes on.
    """

    x: Tensor
    y: Tensor
    dropout_seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Hold the parts of an iteration that a process computes, and the cases of the whole batch."""

    parts: tuple[Part, ...]
    case_ids: tuple[str, ...]


def share_of(rank: int, processes: int, accumulation: int) -> Share:
    """Give the parts of a batch that one of several processes computes: as many as every other, one after the other.

    Raises TrainingError where the parts cannot be dealt out evenly.
    """
    if accumulation % processes:
        raise TrainingError(
            f"A batch of {accumulation} parts (training.accumulation) cannot be dealt out to {processes} processes. "
            f"Choose a number of processes that divides it: {dividing(accumulation)}."
        )
    each = accumulation // processes
    return Share(range(rank * each, (rank + 1) * each), accumulation)


def dividing(accumulation: int) -> str:
    """Name the numbers of processes that so many parts can be dealt out to: `1, 2 or 4`."""
    *first, last = (str(n) for n in range(1, accumulation + 1) if accumulation % n == 0)
    return f"{', '.join(first)} or {last}" if first else last


def drawing_threads(plan: TrainingPlan) -> int:
    """Give how many threads draw batches ahead where a GPU computes: one keeps up, but not with strong augmentation."""
    return 8 if plan.augmentation == "strong" else 1


def draw(
    cases: Sequence[TrainingCase | StoredCase],
    plan: TrainingPlan,
    *,
    seed: int,
    iteration: int,
    share: Share,
    device: str,
) -> Drawn:
    """Draw an iteration's batch and read a share of its parts."""
    rng = np.random.default_rng([seed, iteration])
    dropout_seed = int(rng.integers(2**63))
    how: dict[str, Any] = {"rotations": plan.rotations, "flips": plan.flips}
    if plan.augmentation == "strong":
        strong = partial(strong_patch, seed=seed, iteration=iteration, **how)
        batch = draw_batch(cases, plan.sampling, rng, share, strong)
    else:
        batch = draw_batch(cases, plan.sampling, rng, share)
    if plan.augmentation == "paper":
        batch = augment(batch, **how, rng=rng)
    return in_parts(batch, share, dropout_seed, device)


def in_parts(batch: Batch, share: Share, dropout_seed: int, device: str) -> Drawn:
    """Cut what was read of a batch into its parts."""
    each = zip(share.parts, np.split(batch.x, len(share.parts)), np.split(batch.y, len(share.parts)), strict=True)
    parts = (
        Part(
            cuda.pinned(torch.from_numpy(x), device),
            cuda.pinned(torch.from_numpy(y), device),
            _seed_of_part(dropout_seed, number),
        )
        for number, x, y in each
    )
    return Drawn(tuple(parts), batch.case_ids)


def compute_part(
    backbone: Backbone, part: Part, plan: TrainingPlan, device: str, scaled: Callable[[Tensor], Tensor]
) -> Tensor:
    """Add a part's gradients to those that the parameters hold, and give its loss; waits for nothing on a GPU.

    The gradients are those of the loss `scaled` and divided by the number of parts.
    """
    seed_dropout(part.dropout_seed, device)
    with recomputing(as_module(backbone)) if plan.gradient_checkpointing else nullcontext():
        with autocast(device, plan.precision):
            output = checked_output(backbone, part.x.to(device, non_blocking=True))
            labels = part.y.to(device, non_blocking=True).long()  # as bytes to the device: an eighth of the way
            loss = deep_supervision_loss(
                output,
                labels,
                backbone.spec,
                of=plan.loss,
                class_weights=plan.class_weights,
                is_unsure=is_unsure(part.y),
            )
        scaled(loss / plan.accumulation).backward()
    return loss.detach()


def add_gradients(parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor | None]) -> None:
    """Add the gradients of a part that another process computed, as a backward pass here would: to the bit."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is None:
            continue
        if parameter.grad is None:
            parameter.grad = torch.empty_like(parameter).copy_(gradient)
        else:
            parameter.grad.add_(gradient)


def seed_dropout(seed: int, device: str) -> None:
    """Set torch's random state, of the CPU and, for a training there, of the accelerator.

    torch.manual_seed asks every kind of accelerator, also where there is none: on a CPU that is most of its time.
    """
    if device.startswith("cpu"):
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def _seed_of_part(dropout_seed: int, number: int) -> int:
    """Derive the seed of a part from the batch's; the first part's is the batch's own, as where there is no other."""
    if number == 0:
        return dropout_seed
    return int(np.random.SeedSequence([dropout_seed, number]).generate_state(1, np.uint64)[0] >> np.uint64(1))
