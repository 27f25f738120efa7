"""Hold what a network took from weights as it was, for the first steps of a training.

Parameters without a gradient get no step, no momentum and no decay. A batch norm whose statistics were taken does not
move them either, and normalizes by them. What is held follows from the iteration's number alone, so a training that was
interrupted goes on as it would have, and every process that shares it holds the same.
"""

from collections.abc import Collection

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from pnetkit.training.plan import TrainingPlan


def may_be_held(network: nn.Module, names: Collection[str]) -> tuple[str, ...]:
    """Give the names but those of parameters that the network itself never trains: they are not to be set free."""
    fixed = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    return tuple(name for name in names if name not in fixed)


def hold_taken(network: nn.Module, plan: TrainingPlan, iteration: int) -> None:
    """Freeze what was taken, of which all may be held, before iteration `plan.freeze_iterations`; then set it free."""
    if not plan.taken or not plan.freeze_iterations or iteration > plan.freeze_iterations:
        return
    is_free, taken = iteration == plan.freeze_iterations, set(plan.taken)
    for name, parameter in network.named_parameters():
        if name in taken:
            parameter.requires_grad_(is_free)
    if is_free:
        network.train()  # all of it, because a network may keep norms of its own from training
        return
    for name, module in network.named_modules():
        if isinstance(module, _NormBase) and f"{name}.running_mean" in taken:
            module.eval()
