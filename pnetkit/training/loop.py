"""The training loop: patches in, trained weights out.

SGD with momentum and a polynomial schedule (the paper, Section 4.1), or what else the plan says. Every iteration is a
function of the network so far, the seed and the iteration's number, so a training that was killed goes on as if nothing
had happened.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from numpy.typing import NDArray

from pnetkit import cuda
from pnetkit.ahead import made_ahead
from pnetkit.errors import StoreError, TrainingError
from pnetkit.interfaces import Backbone
from pnetkit.networks import check_patch_size, load_state, not_finite
from pnetkit.training.average import Average
from pnetkit.training.checkpoint import (
    Checkpoint,
    read_checkpoint,
    with_maker,
    write_checkpoint,
)
from pnetkit.training.freezing import hold_taken
from pnetkit.training.group import Helpers, open_group
from pnetkit.training.modules import as_module
from pnetkit.training.optimizer import new_optimizer, restore_state, set_learning_rate, state_of
from pnetkit.training.parts import Drawn, draw, drawing_threads, share_of
from pnetkit.training.plan import TrainingPlan
from pnetkit.training.sampling import StoredCase, TrainingCase
from pnetkit.training.schedule import learning_rate
from pnetkit.training.step import mean_loss, ready_to_train, take_step
from pnetkit.training.watch import Watched, from_json, watching

Report = Callable[[int, float], None]
"""Is told the number of iterations done and the mean loss since it was last told."""

Seen = Callable[[Watched], None]
"""Is told what was seen of the patches that are held back."""

REPORT_EVERY = 10
"""Iterations between two reports of the loss."""


@dataclass(frozen=True, slots=True)
class Trained:
    """Hold the mean loss of every ten iterations, what made the network and the attempts at it, as in a checkpoint.

    `watched` is what was seen of the patches that are held back.
    """

    losses: list[float]
    makers: tuple[Mapping[str, str], ...]
    attempts: tuple[Mapping[str, Any], ...]
    watched: tuple[Watched, ...] = ()


@dataclass(slots=True)
class _Progress:
    """What a training has done so far; `iteration` counts the steps whose loss is known."""

    iteration: int
    losses: list[float]
    pending: list[float]
    makers: tuple[Mapping[str, str], ...]
    attempts: tuple[Mapping[str, Any], ...]
    watched: list[Watched] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A step that was taken, and what gives the losses of its parts once they are computed."""

    iteration: int
    losses: Callable[[], NDArray[Any]]
    case_ids: tuple[str, ...]


def train(  # noqa: PLR0913  # by keyword, each of them one thing
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
    helpers: Helpers | None = None,
    held_back: Sequence[TrainingCase | StoredCase] = (),
    seen: Seen = lambda _: None,
) -> Trained:
    """Train a backbone in place and give the course of its loss; it ends with the average of weights, if there is one.

    Goes on from `checkpoint` where that file exists, and writes it every `plan.checkpoint_every` iterations. `maker`
    says what the network is made with, and `where` on what; both are kept in checkpoints, beside those of what wrote
    them before. With `draw_ahead` the next batches are drawn in threads while the network computes; None does so on an
    accelerator, because on a CPU a worker has one core for both. A batch depends on seed and iteration alone, so
    weights are the same. `helpers` are further processes that compute parts of each batch (`plan.accumulation`); on
    CPUs the weights are the same to the bit. `seen` is told what patches of the cases `held_back` say, on which nothing
    is trained, where the plan has a `watch`.

    Raises:
        ProcessDiedError: a helper died.
        StoreError: the checkpoint is damaged, or does not fit the network.
        TrainingError: there is no case, or the loss is no longer finite (the text says at which iteration and cases),
            or the weights at the end are not, or the batch cannot be dealt out to the helpers.
    """
    if not cases:
        raise TrainingError("There is no case with a reference label to train on. Check the cohort's label columns.")
    check_patch_size(backbone, plan.sampling.patch_size, "training.patch_size")
    network = as_module(backbone)
    share = share_of(0, 1 + len(helpers.devices if helpers is not None else ()), plan.accumulation)
    ready_to_train(backbone, device)
    optimizer = new_optimizer(network, plan)
    scaler = torch.amp.GradScaler(device.partition(":")[0], enabled=plan.precision == "fp16")
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    average = None if plan.average_decay is None else Average(backbone, plan.average_decay)
    progress = _resume(checkpoint, backbone, optimizer, scaler, average, names, maker)
    progress.attempts = (*progress.attempts, {"from_iteration": progress.iteration, **where})
    first = progress.iteration

    def make(iteration: int) -> Drawn:
        return draw(cases, plan, seed=seed, iteration=iteration, share=share, device=device)

    if draw_ahead is None:
        draw_ahead = not device.startswith("cpu")
    with ExitStack() as stack:
        stack.enter_context(cuda.single_precision(tf32=plan.precision == "tf32"))  # a backward pass computes as well
        watched = watching(held_back, plan, seed, device)
        others = None
        if helpers is not None and helpers.devices and first < plan.iterations:
            how: dict[str, Any] = {"device": device, "seed": seed, "first": first, "draw_ahead": draw_ahead}
            others = stack.enter_context(open_group(helpers, plan, network=network, **how))
        # an error in a step ends the threads too
        threads = drawing_threads(plan) if draw_ahead else 0
        batches = stack.enter_context(closing(made_ahead(make, range(first, plan.iterations), threads=threads)))
        taken: list[_Taken] = []
        for iteration, drawn in batches:
            set_learning_rate(optimizer, learning_rate(plan, iteration))
            hold_taken(network, plan, iteration)
            losses, case_ids = take_step(backbone, optimizer, scaler, drawn, plan, device, others)
            if average is not None:
                average.take(backbone, iteration + 1)
            taken.append(_Taken(iteration, cuda.fetched(losses), case_ids))
            done, is_last = iteration + 1, iteration + 1 == plan.iterations
            is_reported = done % REPORT_EVERY == 0 or is_last
            is_kept = done % plan.checkpoint_every == 0 and not is_last
            # the last loss is left on its way while the next step is taken: a GPU is never waited for in between
            while len(taken) > (0 if is_reported or is_kept else 1):
                _note(progress, taken.pop(0), plan)
            if is_reported:
                progress.losses.append(math.fsum(progress.pending) / len(progress.pending))
                progress.pending.clear()
                report(done, progress.losses[-1])
            for found in watched(backbone, average, done):
                progress.watched.append(found)
                seen(found)
            if is_kept:
                _keep(checkpoint, progress, backbone, optimizer, scaler, average, names)
    _finish(backbone, average)
    return Trained(progress.losses, progress.makers, progress.attempts, tuple(progress.watched))


def _finish(backbone: Backbone, average: Average | None) -> None:
    """Leave the network with what is to be tested. Raises TrainingError where that is not finite."""
    if average is not None:
        load_state(backbone, average.tensors)
    broken = not_finite(backbone.state_dict())
    if broken:
        raise TrainingError(
            f"After the last iteration {len(broken)} tensors of the network are not finite ({broken[0]}, …), although "
            f"the loss was. Lower training.learning_rate, set training.gradient_clip, or use precision fp32."
        )


def _note(progress: _Progress, taken: _Taken, plan: TrainingPlan) -> None:
    """Wait for a step's loss and note it. Raises TrainingError where it is not finite."""
    loss = mean_loss(taken.losses().tolist())
    if not math.isfinite(loss):
        raise TrainingError(_not_finite(loss, taken, plan, progress))
    progress.iteration = taken.iteration + 1
    progress.pending.append(loss)


def _keep(
    checkpoint: Path,
    progress: _Progress,
    backbone: Backbone,
    optimizer: torch.optim.Optimizer,
    scaler: Any,
    average: Average | None,
    names: Mapping[int, str],
) -> None:
    """Write the checkpoint."""
    record = {"losses": progress.losses, "pending": progress.pending, "scaler": scaler.state_dict()}
    if progress.watched:
        record["watched"] = [seen.to_json() for seen in progress.watched]
    state, of_optimizer = backbone.state_dict(), state_of(optimizer, names)
    kept = {} if average is None else average.tensors
    made = progress.makers, progress.attempts
    write_checkpoint(checkpoint, Checkpoint(progress.iteration, state, of_optimizer, record, *made, kept))


def _resume(
    checkpoint: Path,
    backbone: Backbone,
    optimizer: torch.optim.Optimizer,
    scaler: Any,
    average: Average | None,
    names: Mapping[int, str],
    maker: Mapping[str, str],
) -> _Progress:
    if not checkpoint.exists():
        return _Progress(0, [], [], (maker,), ())
    stored = read_checkpoint(checkpoint)
    try:
        load_state(backbone, stored.model)
        if average is not None:
            average.restore(stored.average)
    except (RuntimeError, ValueError) as error:
        made = ", then by ".join(_in_words(by) for by in stored.makers) or "code that it does not name"
        raise StoreError(
            f"{checkpoint}: does not fit the network. It was written by {made}; here is {_in_words(maker)}. "
            f"Go back to that, or delete it to train from the start. ({error})"
        ) from error
    restore_state(optimizer, names, stored.optimizer)
    scaler.load_state_dict(stored.record["scaler"])
    losses, pending = list(stored.record["losses"]), list(stored.record["pending"])
    watched = [from_json(said) for said in stored.record.get("watched", ())]
    makers = with_maker(stored.makers, maker)
    return _Progress(stored.iteration, losses, pending, makers, tuple(stored.attempts), watched)


def _in_words(maker: Mapping[str, str]) -> str:
    return ", ".join(f"{what} {maker[what]}" for what in sorted(maker))


def _not_finite(loss: float, taken: _Taken, plan: TrainingPlan, progress: _Progress) -> str:
    before = [*progress.losses, *progress.pending]
    last = f"{before[-1]:.4g}" if before else "none, this was the first"
    return (
        f"The loss became {loss} at iteration {taken.iteration} of {plan.iterations} (cases "
        f"{', '.join(taken.case_ids)}; "
        f"last finite loss {last}). Lower training.learning_rate, set training.gradient_clip, or use precision fp32."
    )
