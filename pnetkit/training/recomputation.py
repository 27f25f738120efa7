"""Gradient checkpointing: groups of layers forget what they computed, and compute it again for the backward pass.

What is computed again is the same, dropout included, so gradients are the same; it must have no effect a second time.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from pnetkit.errors import PluginError, TrainingError
from pnetkit.interfaces import Backbone
from pnetkit.networks import checked_output, kept_bytes_per_voxel
from pnetkit.training.modules import as_module
from pnetkit.training.norms import statistics_of_repeated_calls
from pnetkit.types import Triple


def groups_of_layers(network: nn.Module) -> list[nn.Module]:
    """Give the smallest modules that hold two layers or more, and among them one with weights, as a convolution.

    Each is computed by one call, such as convolution, norm and activation, or an attention. The network itself is none.
    """
    may_be = [module for module in network.modules() if module is not network and _may_be_a_group(module)]
    known = {id(module) for module in may_be}
    return [module for module in may_be if not any(id(one) in known for one in module.modules() if one is not module)]


def require_groups(network: nn.Module) -> None:
    """Raise PluginError where there is nothing that could be computed again."""
    if not groups_of_layers(network):
        raise PluginError(
            f"training.gradient_checkpointing saves nothing with {type(network).__name__}: its layers are not grouped "
            f"in modules (such as a Sequential of convolution, norm and activation) that could be computed again. Set "
            f"it to false."
        )


@contextmanager
def recomputing(network: nn.Module) -> Iterator[None]:
    """Let the groups of a network keep nothing but what they are given, until the block ends.

    A backward pass within the block raises TrainingError where a group writes a buffer or what it was given: computed
    again, it would give something else.
    """
    with _each_called_by(groups_of_layers(network), _forgetting):
        try:
            yield
        except RuntimeError as error:  # torch's own, which sees that a tensor is another than the one it was given
            if "modified by an inplace operation" not in str(error):
                raise
            why = f"a group of its layers is given what is overwritten in place ({error})"
            raise _refused(network, why) from error


def kept_when_recomputing(network: Backbone, size: Triple) -> float:
    """Measure the bytes that a training step keeps for each input voxel, as `kept_bytes_per_voxel` does.

    These are what groups are given, what lies outside of them, and what the largest group keeps while it is computed
    again.
    """
    module = as_module(network)
    inside: list[int] = []

    def counting(_: nn.Module, forward: Callable[..., Any], *given: Any, **named: Any) -> Any:
        seen: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            made = forward(*given, **named)
        inside.append(sum(seen.values()))
        return made

    x = torch.zeros(2, network.spec.in_channels, *size)
    with _each_called_by(groups_of_layers(module), counting):
        network.train()
        checked_output(network, x)
    with recomputing(module):
        return kept_bytes_per_voxel(network, size) + max(inside, default=0) / x[:, 0].numel()


@contextmanager
def _each_called_by(groups: Sequence[nn.Module], call: Callable[..., Any]) -> Iterator[None]:
    """Let `call` take a group's place, which is given the group and what it would have run, until the block ends."""
    before = [vars(group).get("forward") for group in groups]  # where a network puts one of its own there
    for group in groups:
        vars(group)["forward"] = partial(call, group, group.forward)
    try:
        yield
    finally:
        for group, own in zip(groups, before, strict=True):
            if own is None:
                del vars(group)["forward"]
            else:
                vars(group)["forward"] = own


def _forgetting(group: nn.Module, forward: Callable[..., Any], *given: Any, **named: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*given, **named)
    contexts = partial(_contexts, group)
    return checkpoint(partial(forward, **named), *given, use_reentrant=False, context_fn=contexts)


def _contexts(group: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Give the contexts of the first computation of a group and of the second."""
    return nullcontext(), _again(group)


@contextmanager
def _again(group: nn.Module) -> Iterator[None]:
    """Compute a group again without effect: running statistics have moved the first time."""
    before = {name: (buffer, buffer._version) for name, buffer in group.named_buffers()}
    try:
        with statistics_of_repeated_calls([module for module in group.modules() if isinstance(module, _BatchNorm)]):
            yield
    finally:
        for name, buffer in group.named_buffers():
            was, version = before.get(name, (None, 0))
            if buffer is not was or buffer._version != version:
                raise _refused(group, f"it writes its buffer {name} whenever it computes")


def _may_be_a_group(module: nn.Module) -> bool:
    if isinstance(module, nn.ModuleList | nn.ModuleDict):  # which are not called
        return False
    layers = [one for one in module.modules() if next(one.children(), None) is None and one is not module]
    return len(layers) > 1 and any(p.dim() > 1 for layer in layers for p in layer.parameters(recurse=False))


def _refused(group: nn.Module, why: str) -> TrainingError:
    return TrainingError(
        f"training.gradient_checkpointing cannot compute {type(group).__name__} again: {why}. Set it to false."
    )
