"""The training loop: patches in, trained weights out.

SGD with momentum and a polynomial schedule (the paper, Section 4.1). Every iteration is a function of the network so
far, the seed and the iteration's number, so a training that was killed goes on as if nothing had happened.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import nn

from pnetkit import cuda
from pnetkit.ahead import one_ahead
from pnetkit.errors import StoreError, TrainingError
from pnetkit.interfaces import Backbone
from pnetkit.networks import (
    Precision,
    autocast,
    check_patch_size,
    checked_output,
    load_state,
    not_finite,
    to_channels_last,
)
from pnetkit.training.augmentation import Rotations, augment
from pnetkit.training.checkpoint import (
    Checkpoint,
    momentum_of,
    read_checkpoint,
    restore_momentum,
    with_maker,
    write_checkpoint,
)
from pnetkit.training.loss import deep_supervision_loss, poly_learning_rate
from pnetkit.training.sampling import Batch, Sampling, StoredCase, TrainingCase, draw_batch

Report = Callable[[int, float], None]
"""Is told the number of iterations done and the mean loss since it was last told."""

REPORT_EVERY = 10
"""Iterations between two reports of the loss."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Say how a network is trained; the names and defaults are those of a recipe's `training` section."""

    iterations: int
    sampling: Sampling
    rotations: Rotations
    flips: bool
    learning_rate: float
    poly_power: float
    momentum: float
    weight_decay: float
    nesterov: bool
    accumulation: int
    gradient_clip: float | None
    class_weights: tuple[float, ...] | None
    precision: Precision
    checkpoint_every: int


@dataclass(frozen=True, slots=True)
class Trained:
    """Hold the mean loss of every ten iterations, what made the network and the attempts at it, as in a checkpoint."""

    losses: list[float]
    makers: tuple[Mapping[str, str], ...]
    attempts: tuple[Mapping[str, Any], ...]


@dataclass(slots=True)
class _Progress:
    """What a training has done so far."""

    iteration: int
    losses: list[float]
    pending: list[float]
    makers: tuple[Mapping[str, str], ...]
    attempts: tuple[Mapping[str, Any], ...]


def train(
    backbone: Backbone,
    cases: Sequence[TrainingCase | StoredCase],
    plan: TrainingPlan,
    *,
    seed: int,
    device: str,
    checkpoint: Path,
    report: Report,
    maker: Mapping[str, str],
    where: Mapping[str, str | None] = MappingProxyType({}),
    draw_ahead: bool | None = None,
) -> Trained:
    """Train a backbone in place and give the course of its loss.

    Goes on from `checkpoint` where that file exists, and writes it every `plan.checkpoint_every` iterations. `maker`
    says what the network is made with, and `where` on what; both are kept in checkpoints, beside those of what wrote
    them before. With `draw_ahead` the next batch is drawn in a thread while the network computes; None does so on an
    accelerator, because on a CPU a worker has one core for both. A batch depends on seed and iteration alone, so
    weights are the same.

    Raises:
        StoreError: the checkpoint is damaged, or does not fit the network.
        TrainingError: there is no case, or the loss is no longer finite (the text says at which iteration and cases),
            or the weights at the end are not.
    """
    if not cases:
        raise TrainingError("There is no case with a reference label to train on. Check the cohort's label columns.")
    check_patch_size(backbone, plan.sampling.patch_size, "training.patch_size")
    ready_to_train(backbone, device)
    optimizer = torch.optim.SGD(
        backbone.parameters(),
        lr=plan.learning_rate,
        momentum=plan.momentum,
        weight_decay=plan.weight_decay,
        nesterov=plan.nesterov,
    )
    scaler = torch.amp.GradScaler(device.partition(":")[0], enabled=plan.precision == "fp16")
    names = {id(parameter): name for name, parameter in _named_parameters(backbone).items()}
    progress = _resume(checkpoint, backbone, optimizer, scaler, names, maker)
    progress.attempts = (*progress.attempts, {"from_iteration": progress.iteration, **where})

    def draw(iteration: int) -> tuple[int, Batch]:
        rng = np.random.default_rng([seed, iteration])
        dropout_seed = int(rng.integers(2**63))
        return dropout_seed, augment(
            draw_batch(cases, plan.sampling, rng), rotations=plan.rotations, flips=plan.flips, rng=rng
        )

    if draw_ahead is None:
        draw_ahead = not device.startswith("cpu")
    iterations = range(progress.iteration, plan.iterations)
    with (
        cuda.single_precision(tf32=plan.precision == "tf32"),  # around it all: a backward pass computes as well
        closing(one_ahead(draw, iterations, ahead=draw_ahead)) as drawn,  # an error in a step ends the thread too
    ):
        for iteration, drawn_batch in drawn:
            dropout_seed, batch = drawn_batch()
            seed_dropout(dropout_seed, device)
            for group in optimizer.param_groups:
                group["lr"] = poly_learning_rate(plan.learning_rate, iteration, plan.iterations, plan.poly_power)
            loss = _step(backbone, optimizer, scaler, batch, plan, device)
            if not math.isfinite(loss):
                raise TrainingError(_not_finite(loss, iteration, plan, batch, progress))
            progress.iteration = iteration + 1
            progress.pending.append(loss)
            if progress.iteration % REPORT_EVERY == 0 or progress.iteration == plan.iterations:
                progress.losses.append(math.fsum(progress.pending) / len(progress.pending))
                progress.pending.clear()
                report(progress.iteration, progress.losses[-1])
            if progress.iteration % plan.checkpoint_every == 0 and progress.iteration < plan.iterations:
                record = {"losses": progress.losses, "pending": progress.pending, "scaler": scaler.state_dict()}
                momentum = momentum_of(optimizer, names)
                state = backbone.state_dict()
                made = progress.makers, progress.attempts
                write_checkpoint(checkpoint, Checkpoint(progress.iteration, state, momentum, record, *made))
    broken = not_finite(backbone.state_dict())
    if broken:
        raise TrainingError(
            f"After the last iteration {len(broken)} tensors of the network are not finite ({broken[0]}, …), although "
            f"the loss was. Lower training.learning_rate, set training.gradient_clip, or use precision fp32."
        )
    return Trained(progress.losses, progress.makers, progress.attempts)


def seed_dropout(seed: int, device: str) -> None:
    """Set torch's random state, of the CPU and, for a training there, of the accelerator.

    torch.manual_seed asks every kind of accelerator, also where there is none: on a CPU that is most of its time.
    """
    if device.startswith("cpu"):
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def ready_to_train(backbone: Backbone, device: str) -> None:
    """Put a backbone on a device in training mode, channels last.

    In that layout a step takes a fifth less on a CPU and half the time in bf16 on a GPU (docs/benchmarks.md).
    """
    backbone.to(device)
    if isinstance(backbone, nn.Module):
        to_channels_last(backbone)
    backbone.train()


def one_step(backbone: Backbone, batch: Batch, plan: TrainingPlan, device: str) -> float:
    """Do one micro-batch of a training from scratch and give its loss: for measuring what a training will take."""
    single = replace(plan, accumulation=1)
    optimizer = torch.optim.SGD(backbone.parameters(), lr=plan.learning_rate, momentum=plan.momentum)
    scaler = torch.amp.GradScaler(device.partition(":")[0], enabled=False)
    with cuda.single_precision(tf32=plan.precision == "tf32"):
        return _step(backbone, optimizer, scaler, batch, single, device)


def _step(
    backbone: Backbone,
    optimizer: torch.optim.SGD,
    scaler: Any,
    batch: Batch,
    plan: TrainingPlan,
    device: str,
) -> float:
    """Do one step of the optimizer over `plan.accumulation` micro-batches and give the mean loss."""
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    parts = zip(np.split(batch.x, plan.accumulation), np.split(batch.y, plan.accumulation), strict=True)
    for x, y in parts:
        with autocast(device, plan.precision):
            output = checked_output(backbone, torch.from_numpy(x).to(device))
            labels = torch.from_numpy(y).to(device).long()  # as bytes to the device: an eighth of the way
            loss = deep_supervision_loss(output, labels, backbone.spec, class_weights=plan.class_weights)
        scaler.scale(loss / plan.accumulation).backward()
        total += float(loss.detach()) / plan.accumulation
    if plan.gradient_clip is not None:
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(backbone.parameters(), plan.gradient_clip)
    scaler.step(optimizer)
    scaler.update()
    return total


def _resume(
    checkpoint: Path,
    backbone: Backbone,
    optimizer: torch.optim.SGD,
    scaler: Any,
    names: Mapping[int, str],
    maker: Mapping[str, str],
) -> _Progress:
    if not checkpoint.exists():
        return _Progress(0, [], [], (maker,), ())
    stored = read_checkpoint(checkpoint)
    try:
        load_state(backbone, stored.model)
    except RuntimeError as error:
        made = ", then by ".join(_in_words(by) for by in stored.makers) or "code that it does not name"
        raise StoreError(
            f"{checkpoint}: does not fit the network. It was written by {made}; here is {_in_words(maker)}. "
            f"Go back to that, or delete it to train from the start. ({error})"
        ) from error
    restore_momentum(optimizer, names, stored.optimizer)
    scaler.load_state_dict(stored.record["scaler"])
    losses, pending = list(stored.record["losses"]), list(stored.record["pending"])
    return _Progress(stored.iteration, losses, pending, with_maker(stored.makers, maker), tuple(stored.attempts))


def _in_words(maker: Mapping[str, str]) -> str:
    return ", ".join(f"{what} {maker[what]}" for what in sorted(maker))


def _named_parameters(backbone: Backbone) -> dict[str, nn.Parameter]:
    if not isinstance(backbone, nn.Module):
        raise TrainingError(
            f"The backbone {type(backbone).__name__} is not a torch.nn.Module, so it cannot be trained."
        )
    return dict(backbone.named_parameters())


def _not_finite(loss: float, iteration: int, plan: TrainingPlan, batch: Batch, progress: _Progress) -> str:
    before = [*progress.losses, *progress.pending]
    last = f"{before[-1]:.4g}" if before else "none, this was the first"
    return (
        f"The loss became {loss} at iteration {iteration} of {plan.iterations} (cases {', '.join(batch.case_ids)}; "
        f"last finite loss {last}). Lower training.learning_rate, set training.gradient_clip, or use precision fp32."
    )
