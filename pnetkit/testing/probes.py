"""Probe a backbone under test: inputs of a size that it admits, and what it answers in evaluation mode."""

import torch
from torch import Tensor

from pnetkit.interfaces import Backbone, BackboneOutput
from pnetkit.types import Triple

SMALLEST_EDGE, SMALLEST_DEPTH = 16, 2
"""Inputs are at least this wide, and so many divisors: one voxel at the deepest level cannot be normalized."""


def edges_of(network: Backbone, times: Triple = (1, 1, 1)) -> Triple:
    """Give the smallest admissible edges that are wide enough, and longer by some divisors; or the only ones."""
    if network.spec.only_size is not None:
        return network.spec.only_size
    least = (max(SMALLEST_DEPTH, -(-SMALLEST_EDGE // d)) * d for d in network.spec.divisor)
    x, y, z = (edge + (n - 1) * d for edge, d, n in zip(least, network.spec.divisor, times, strict=True))
    return x, y, z


def patches(network: Backbone, edges: Triple, batch: int) -> Tensor:
    """Give a batch of input (batch, channel, x, y, z), the same every time."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, network.spec.in_channels, *edges, generator=generator)


def evaluated(network: Backbone, x: Tensor) -> BackboneOutput:
    """Give what the network answers in evaluation mode."""
    network.eval()
    with torch.inference_mode():
        return network(x)
