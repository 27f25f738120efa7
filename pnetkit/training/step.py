"""One step of the optimizer: the parts of a batch, their gradients added in the parts' order, clipped, applied."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from pnetkit import cuda
from pnetkit.interfaces import Backbone
from pnetkit.networks import to_channels_last
from pnetkit.training.modules import as_module
from pnetkit.training.norms import NormCall, replay, running_norms, statistics_apart
from pnetkit.training.optimizer import new_optimizer
from pnetkit.training.parts import Drawn, add_gradients, compute_part, in_parts
from pnetkit.training.plan import TrainingPlan
from pnetkit.training.sampling import Batch, Share


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """Hold what one part gave in another process: loss, gradients by parameter, what batch norms saw."""

    loss: Tensor
    gradients: Sequence[Tensor | None]
    calls: Sequence[NormCall]


@runtime_checkable
class Others(Protocol):
    """Other processes that compute the later parts of each batch."""

    def hand_out(self, network: nn.Module, scale: float) -> None:
        """Give them the weights of this step, and what losses are multiplied with in half precision."""

    def gather(self, network: nn.Module) -> Sequence[Computed]:
        """Give what their parts came to, in the parts' order."""


def ready_to_train(backbone: Backbone, device: str) -> None:
    """Put a backbone on a device in training mode, channels last.

    In that layout a step takes a fifth less on a CPU and half the time in bf16 on a GPU (docs/benchmarks.md).
    """
    backbone.to(device)
    if isinstance(backbone, nn.Module):
        to_channels_last(backbone)
    backbone.train()


def take_step(
    backbone: Backbone,
    optimizer: torch.optim.Optimizer,
    scaler: Any,
    drawn: Callable[[], Drawn],
    plan: TrainingPlan,
    device: str,
    others: Others | None = None,
) -> tuple[Tensor, tuple[str, ...]]:
    """Do one step of the optimizer over the parts of a batch; give their losses (part,), and the batch's cases.

    `drawn` gives the parts that are computed here, the first ones; the `others`, which begin before they are drawn,
    compute the rest. On a GPU nothing waits for the losses here.
    """
    network = as_module(backbone)
    if others is not None:
        others.hand_out(network, scaler.get_scale())
    here = drawn()
    optimizer.zero_grad(set_to_none=True)
    norms = running_norms(network) if plan.accumulation > 1 else []
    with statistics_apart(norms) as calls:
        losses = [compute_part(backbone, part, plan, device, scaler.scale) for part in here.parts]
    for computed in others.gather(network) if others is not None else ():
        add_gradients(list(network.parameters()), computed.gradients)
        losses.append(computed.loss.to(losses[0]))
        calls.extend(computed.calls)
    replay(norms, calls)
    if plan.gradient_clip is not None:
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(network.parameters(), plan.gradient_clip)
    scaler.step(optimizer)
    scaler.update()
    return torch.stack(losses), here.case_ids


def mean_loss(losses: Sequence[float]) -> float:
    """Give the mean of the parts' losses, added up in their order."""
    total = 0.0
    for loss in losses:
        total += loss / len(losses)
    return total


def one_step(backbone: Backbone, batch: Batch, plan: TrainingPlan, device: str) -> float:
    """Do one micro-batch of a training from scratch and give its loss: for measuring what a training will take."""
    single = replace(plan, accumulation=1)
    optimizer = new_optimizer(as_module(backbone), single)
    scaler = torch.amp.GradScaler(device.partition(":")[0], enabled=False)
    drawn = in_parts(batch, Share(range(1), 1), 0, device)
    with cuda.single_precision(tf32=plan.precision == "tf32"):
        losses, _ = take_step(backbone, optimizer, scaler, lambda: drawn, single, device)
        return mean_loss(losses.tolist())
