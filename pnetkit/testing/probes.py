"""Probe a backbone under test: inputs of a size that it admits, and what it answers in evaluation mode."""

import re
from traceback import walk_tb

import torch
from torch import Tensor

from pnetkit.errors import PnetkitError
from pnetkit.interfaces import Backbone, BackboneOutput
from pnetkit.types import Triple

SMALLEST_EDGE = 16
"""Inputs are at least this wide, and two divisors along x: one voxel at the deepest level cannot be normalized.

Along y and z a single divisor is enough, and a quarter of the work. What a network says to a single divisor along every
axis is asked for by itself; see `in_own_words`.
"""

SMALLEST_DIVISORS: Triple = (2, 1, 1)


def edges_of(network: Backbone, times: Triple = (1, 1, 1)) -> Triple:
    """Give the smallest admissible edges that are wide enough, and longer by some divisors; or the only ones."""
    if network.spec.only_size is not None:
        return network.spec.only_size
    divisor = network.spec.divisor
    least = (max(n, -(-SMALLEST_EDGE // d)) * d for n, d in zip(SMALLEST_DIVISORS, divisor, strict=True))
    x, y, z = (edge + (n - 1) * d for edge, d, n in zip(least, divisor, times, strict=True))
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


def in_own_words(error: Exception) -> bool:
    """Tell whether an error refuses a size as a network may: a ValueError or PnetkitError of its own that names a size.

    What torch raises tells what a layer lacks, and not what to choose. It raises ValueErrors too, so what counts is
    where an error was raised: one of torch's that the network catches and puts into words is the network's own.
    """
    raised_in = [str(frame.f_globals.get("__name__", "")) for frame, _ in walk_tb(error.__traceback__)][-1:]
    by_torch = any(module.partition(".")[0] == "torch" for module in raised_in)
    return isinstance(error, (ValueError, PnetkitError)) and not by_torch and bool(re.search(r"\d", str(error)))
