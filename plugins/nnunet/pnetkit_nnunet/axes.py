"""Turn what a network sees into the axes that it was trained with, and its answer back; and merge its outputs.

Inputs are turned and not weights: a convolution of stride 2 takes every second voxel from one end, so flipped kernels
would take the others wherever an edge is even.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

AXIS_OF = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
"""Which of pnetkit's axes a direction lies along; R, A and S are theirs."""

OWN = "RAS"
FIRST = 2
"""The first axis of a volume in a batch: batch and channel lie before."""

NEVER = -1e4
"""The logit of a class that no output means: no window votes for it, in half precision either."""

AxisCode = Annotated[
    str, Field(pattern="^[RLAPSI]{3}$", description="Directions of the network's axes, as SPL; weights have their own.")
]
Outputs = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...] | None,
    Field(min_length=2, description="Class that each output means, for weights of other labels; null for the classes."),
]


@dataclass(frozen=True, slots=True)
class Turn:
    """Say which of pnetkit's axes each of a network's axes is, and which of pnetkit's run the other way there."""

    order: tuple[int, int, int]
    flipped: tuple[int, ...]

    def to_network(self, x: Tensor) -> Tensor:
        """Turn (batch, channel, x, y, z) into the network's axes."""
        if self.flipped:
            x = x.flip([FIRST + axis for axis in self.flipped])
        return x if self.order == (0, 1, 2) else x.permute(0, 1, *(FIRST + axis for axis in self.order))

    def to_scan(self, x: Tensor) -> Tensor:
        """Turn (batch, channel, …) of the network's axes back."""
        if self.order != (0, 1, 2):
            x = x.permute(0, 1, *(FIRST + self.order.index(axis) for axis in range(3)))
        return x.flip([FIRST + axis for axis in self.flipped]) if self.flipped else x

    def in_scan(self, values: Sequence[int]) -> tuple[int, int, int]:
        """Give values of each of the network's axes in pnetkit's order."""
        x, y, z = (values[self.order.index(axis)] for axis in range(3))
        return x, y, z


def turn_of(code: str) -> Turn:
    """Read three letters as a turn. Raises ValueError where they are not one of each pair."""
    x, y, z = (AXIS_OF[letter] for letter in code)
    if {x, y, z} != {0, 1, 2}:
        raise ValueError(f"axes {code!r} name a direction twice; wanted one of each pair RL, AP, SI, as SPL")
    return Turn((x, y, z), tuple(AXIS_OF[letter] for letter in code if letter not in OWN))


def merged(logits: Tensor, outputs: Sequence[int], classes: int) -> Tensor:
    """Give one logit for each class: the largest of the outputs that mean it, so that the winner stays who it was."""
    groups = [[place for place, value in enumerate(outputs) if value == of] for of in range(classes)]
    return torch.stack(
        [
            torch.full_like(logits[:, 0], NEVER)
            if not group
            else logits[:, group].amax(dim=1)
            if len(group) > 1
            else logits[:, group[0]]
            for group in groups
        ],
        dim=1,
    )
