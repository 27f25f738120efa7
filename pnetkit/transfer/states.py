"""Find the one network's state in what a checkpoint holds, under the names that its makers gave its parts."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pnetkit.errors import WeightsError
from pnetkit.networks import distinct_tensors, not_finite

KNOWN = ("network_weights", "state_dict", "model_state_dict", "net", "model", "network", "weights")
"""Under what checkpoints hold a network's state: nnU-Net's, Lightning's, MONAI's, those of public pancreas models."""

WRAPPERS = ("module.", "_orig_mod.", "model.", "network.", "net.")
"""What training code puts before every name: parallel training, compilation, modules of its own."""

_NUMBERS = {
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
}


def find_state(found: Any, where: str) -> tuple[dict[str, Tensor], str]:
    """Give a network's tensors by name, and under what they lay; wrappers that stand before every name are left out.

    Raises WeightsError where there is no state, or more than one and none of a known name.
    """
    state, under = _state_in(found, where, "")
    for wrapper in WRAPPERS[:2]:
        if state and all(name.startswith(wrapper) for name in state):
            state = {name.removeprefix(wrapper): tensor for name, tensor in state.items()}
    wrong = [name for name, tensor in state.items() if tensor.dtype not in _NUMBERS]
    if wrong:
        raise WeightsError(
            f"{where}: {wrong[0]} is of {state[wrong[0]].dtype}, which no network here is. Convert it first."
        )
    broken = not_finite(state)
    if broken:
        raise WeightsError(f"{where}: {len(broken)} tensors are not finite ({broken[0]}, …): its training diverged.")
    return state, under


def deduplicated(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Give the tensors once each, and the further names of those that stand under several, with the name kept."""
    kept = distinct_tensors(state)
    places = {_place(tensor): name for name, tensor in kept.items()}
    further = {name: places[_place(tensor)] for name, tensor in state.items() if name not in kept}
    return {name: tensor.detach().contiguous() for name, tensor in sorted(kept.items())}, further


def _place(tensor: Tensor) -> Any:
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


def _state_in(found: Any, where: str, under: str) -> tuple[dict[str, Tensor], str]:
    if not isinstance(found, Mapping):
        raise WeightsError(f"{where}: holds a {type(found).__name__}, wanted tensors by name (a state dict).")
    own = {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
    inner = {str(name): value for name, value in found.items() if isinstance(value, Mapping) and _holds(value)}
    known = [name for name in KNOWN if name in inner]
    if known:
        return _state_in(inner[known[0]], where, f"{under}{known[0]}.")
    if own:
        return own, under.rstrip(".")
    if len(inner) == 1:
        (name,) = inner
        return _state_in(inner[name], where, f"{under}{name}.")
    if inner:
        raise WeightsError(
            f"{where}: holds several sets of tensors ({', '.join(sorted(inner))}); which is the network?"
        )
    raise WeightsError(f"{where}: holds no tensors.")


def _holds(value: Mapping[Any, Any]) -> bool:
    """Tell whether a mapping holds tensors by names, at any depth: an optimizer's are by numbers."""
    return any(
        isinstance(key, str) and (isinstance(of, Tensor) or (isinstance(of, Mapping) and _holds(of)))
        for key, of in value.items()
    )
