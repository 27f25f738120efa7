"""Check that a backbone's feature maps look no farther than they say."""

from math import lcm
from typing import Any

import torch
from torch import Tensor

from pnetkit.interfaces import FeatureBackbone
from pnetkit.testing.checks import require
from pnetkit.testing.probes import SMALLEST_EDGE, patches

LARGEST_CHANGE = 1e-3
"""How far values may lie apart, of the largest: other sizes of input are computed by other kernels."""


def require_context(network: FeatureBackbone) -> None:
    """Hold each map with a bounded context to it: what lies farther away changes nothing, nor where the input ends.

    NaN is what is put far away, because no weight is so small that it would not be seen.
    """
    network.eval()
    with torch.inference_mode():
        for name, spec in network.spec.features.items():
            if spec.context_voxels is not None and network.spec.only_size is None:
                for axis in range(3):
                    _along(network, name, axis, spec.context_voxels[axis])


def _along(network: FeatureBackbone, name: str, axis: int, context: int) -> None:
    """Look along one axis, at the cells of a block that lies as far from both ends as they look, and a step more."""
    x1, y1, z1 = map(lcm, network.spec.divisor, network.spec.features[name].stride)
    steps = (x1, y1, z1)
    step, far = steps[axis], -(-context // steps[axis]) * steps[axis]
    stride = network.spec.features[name].stride[axis]
    wide = [-(-SMALLEST_EDGE // edge) * edge for edge in steps]
    wide[axis] = 2 * (step + far) + step
    x = patches(network, (wide[0], wide[1], wide[2]), 1)

    def block(x: Tensor, start: int) -> Tensor:
        return network.encode(x, {name})[name].narrow(axis + 2, start // stride, step // stride)

    what = f"the feature {name!r} says that it looks {context} voxels beyond a cell along {'xyz'[axis]}"
    fault = "set its context_voxels to what its layers add up to, or to None where it looks at all of an input"
    start = step + far
    seen = block(_hidden(x, axis, start - context, start + step + context), start)
    require(bool(torch.isfinite(seen).all()), f"{what}, and sees what lies farther away; {fault}")
    cut = block(x.narrow(axis + 2, step, 2 * far + step), far)
    change = float((cut - seen).abs().max()) / max(1.0, float(seen.abs().max()))
    require(change <= LARGEST_CHANGE, f"{what}, and changes by {change:.2g} where the input ends there; {fault}")


def _hidden(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """Put NaN where a cell says that it does not look."""
    hidden = x.clone()
    hidden.narrow(axis + 2, 0, start).fill_(torch.nan)
    hidden.narrow(axis + 2, stop, x.shape[axis + 2] - stop).fill_(torch.nan)
    return hidden


def context_fault(context: Any) -> str:
    """Say what is wrong with a declared context; empty where nothing is."""
    right = context is None or (len(context) == 3 and min(context) >= 0)  # noqa: PLR2004
    return "" if right else f"has context_voxels {context}, wanted three numbers from 0, or None"
