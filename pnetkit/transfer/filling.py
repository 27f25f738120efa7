"""Give a network the tensors that fit it, and read them from their file."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from pnetkit.errors import WeightsError
from pnetkit.interfaces import Backbone
from pnetkit.transfer.fit import Fit, Shape, Taken


def read_shapes(path: Path, aliases: Mapping[str, str]) -> dict[str, Shape]:
    """Give the shapes of a file's tensors under all their names, from its header. Raises WeightsError."""
    try:
        with safe_open(path, framework="pt") as stored:
            names = list(stored.keys())
            shapes = {name: tuple(stored.get_slice(name).get_shape()) for name in names}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: is no readable safetensors file ({error}). Import the weights again.") from error
    return shapes | {name: shapes[kept] for name, kept in aliases.items() if kept in shapes}


def read_tensors(path: Path, aliases: Mapping[str, str]) -> dict[str, Tensor]:
    """Give a file's tensors under all their names, on the CPU. Raises WeightsError."""
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: is no readable safetensors file ({error}). Import the weights again.") from error
    return tensors | {name: tensors[kept] for name, kept in aliases.items() if kept in tensors}


def fill(network: Backbone, found: Fit, tensors: Mapping[str, Tensor]) -> None:
    """Copy into a network what it takes of foreign tensors, in its own number type; all else stays as it is."""
    own = network.state_dict()
    with torch.no_grad():
        for name, filled in found.taken.items():
            _fill(own[name], tensors[filled.foreign], filled)


def _fill(own: Tensor, foreign: Tensor, filled: Taken) -> None:
    if filled.how == "rows":
        for ours, theirs in filled.rows.items():
            own.select(filled.axis, ours).copy_(foreign.select(filled.axis, theirs))
        return
    if filled.how == "repeat":
        ours, theirs = own.shape[filled.axis], foreign.shape[filled.axis]
        order = torch.arange(ours) % theirs
        foreign = foreign.index_select(filled.axis, order) * (
            theirs / ours
        )  # so that a sum over channels keeps its size
    own.copy_(foreign)
