"""The optimizers: SGD as in the paper, AdamW; which parameters decay; their state by the names of parameters."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from pnetkit.training.plan import TrainingPlan

MOMENTUM, FIRST, SECOND, STEPS = "momentum_buffer", "exp_avg", "exp_avg_sq", "step"
"""What torch calls the parts of the state: SGD's momentum; AdamW's running means, and how many steps made them."""

_PREFIXES = {MOMENTUM: "", FIRST: f"{FIRST}/", SECOND: f"{SECOND}/", STEPS: f"{STEPS}/"}
"""How the parts begin in a checkpoint; SGD's momentum has only the parameter's name there, as ever."""

_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


def new_optimizer(network: nn.Module, plan: TrainingPlan) -> torch.optim.Optimizer:
    """Make the plan's optimizer for the parameters of a network; betas and epsilon of AdamW are torch's defaults."""
    groups = parameter_groups(network, plan)
    if plan.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=plan.learning_rate, weight_decay=plan.weight_decay)
    return torch.optim.SGD(
        groups,
        lr=plan.learning_rate,
        momentum=plan.momentum,
        weight_decay=plan.weight_decay,
        nesterov=plan.nesterov,
    )


def parameter_groups(network: nn.Module, plan: TrainingPlan) -> list[dict[str, object]]:
    """Give the parameters in groups of one decay: all in one, or those of norms and biases apart, which have none."""
    if plan.decay == "all":
        return [{"params": list(network.parameters())}]
    without = undecayed(network)
    parts = [[p for name, p in network.named_parameters() if (name in without) is apart] for apart in (False, True)]
    decays = (plan.weight_decay, 0.0)
    return [{"params": part, "weight_decay": decay} for part, decay in zip(parts, decays, strict=True) if part]


def undecayed(network: nn.Module) -> set[str]:
    """Name the parameters of norms, and those that are biases: of one axis or less, or called so."""
    of_norms = {id(p) for module in network.modules() if isinstance(module, _NORMS) for p in module.parameters()}
    return {
        name
        for name, p in network.named_parameters()
        if id(p) in of_norms or p.dim() <= 1 or "bias" in name.rpartition(".")[2]
    }


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give all parameters a learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def state_of(optimizer: torch.optim.Optimizer, names: Mapping[int, str]) -> dict[str, Tensor]:
    """Give the optimizer's state by the names of the parameters (`names` maps a parameter's id to its name)."""
    return {
        prefix + names[id(parameter)]: state[part]
        for parameter, state in optimizer.state.items()
        for part, prefix in _PREFIXES.items()
        if state.get(part) is not None
    }


def restore_state(optimizer: torch.optim.Optimizer, names: Mapping[int, str], state: Mapping[str, Tensor]) -> None:
    """Give the optimizer back the state that `state_of` took; numbers of steps stay with the processor.

    It lies in memory as its parameter does, as it did before: other kernels would compute otherwise laid out tensors.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            for part, prefix in _PREFIXES.items():
                found = state.get(prefix + names[id(parameter)])
                if found is not None:
                    here = found if part == STEPS else torch.empty_like(parameter).copy_(found)
                    optimizer.state[parameter][part] = here


def copies_of_weights(plan: TrainingPlan) -> int:
    """Count what a training holds of the weights' size: weights, gradients, the optimizer's state, their average."""
    return 2 + (2 if plan.optimizer == "adamw" else 1) + (plan.average_decay is not None)
