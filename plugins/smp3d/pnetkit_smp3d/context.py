"""Find out how far around a cell of an encoder's map the input decides its value, by running the encoder once."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from pnetkit.types import Triple

WINDOWED = (nn.Conv3d, nn.MaxPool3d, nn.AvgPool3d)
"""The layers that look beside a voxel."""

_SQUEEZING = ("MBConvBlock", "SEBlock")  # efficientnet's blocks and mobileone's gates take means over all of a map


def contexts(encoder: Any, in_channels: int, edge: int) -> Iterator[Triple | None]:
    """Give, for stage 1, 2, …, the voxels beyond a cell that its value depends on; None where it depends on all.

    Of layers that run side by side, on the same map, the one that looks farthest counts. `edge` is that of an input
    that the encoder takes.
    """
    stages = encoder.get_stages()[: encoder._depth + 1]
    further = _farther_at_each_layer(encoder, in_channels, edge)
    reach = 0
    for number, stage in enumerate(stages):
        inside = list(stage.modules())
        if any(type(module).__name__ in _SQUEEZING for module in inside):
            yield from (None for _ in stages[number:])
            return
        reach += sum(further.get(id(module), 0) for module in inside)
        if number:
            yield reach, reach, reach


def _farther_at_each_layer(encoder: nn.Module, in_channels: int, edge: int) -> dict[int, int]:
    """Run an encoder once, and say by how many voxels each layer, by its id, looks farther than its input does."""
    weight = next(encoder.parameters())
    x = torch.zeros(1, in_channels, edge, edge, edge, device=weight.device, dtype=weight.dtype)
    seen: list[tuple[int, Tensor, int]] = []  # holds on to the maps, so that an id stays that of one map

    def note(layer: nn.Module, inputs: tuple[Any, ...], _output: Any) -> None:
        seen.append((id(layer), inputs[0], _beside(layer) * (edge // inputs[0].shape[2])))

    hooks = [layer.register_forward_hook(note) for layer in encoder.modules() if isinstance(layer, WINDOWED)]
    was_training = encoder.training
    try:
        encoder.eval()
        with torch.no_grad():
            encoder(x)
    finally:
        encoder.train(was_training)
        for hook in hooks:
            hook.remove()
    of_each_map: dict[int, tuple[int, int]] = {}
    for layer, tensor, voxels in seen:
        if voxels > of_each_map.get(id(tensor), (0, 0))[1]:
            of_each_map[id(tensor)] = layer, voxels
    further: dict[int, int] = {}
    for layer, voxels in of_each_map.values():
        further[layer] = further.get(layer, 0) + voxels
    return further


def _beside(layer: Any) -> int:
    """Give how many voxels of its input a layer sees beside those of a cell's own, on the farther side."""
    size, stride, padding, dilation = (
        of if isinstance(of, int) else of[0]
        for of in (layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1))
    )
    return max(padding, (size - 1) * dilation - padding - (stride - 1), 0)
