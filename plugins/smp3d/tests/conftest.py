"""What the tests of Smp3D share."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules import conv

TABLE = 1_000_003
"""Numbers that large weights are filled from; a prime, so that rows of a weight do not begin at the same ones."""

SMALL = 10_000
"""Numbers up to which a weight is filled as ever."""

DROPPED = 2**24
"""Numbers beyond which a weight is of a classifier, which the library drops once it has filled it; vgg11 has two."""


@pytest.fixture(scope="module")
def quick_shapes() -> Iterator[None]:
    """Answer on the device `meta` at once what torch writes out there in Python, as fifteen operations and more.

    Batch norms were nine tenths of the time of the networks that are run for the shapes that they give. What such a
    norm would refuse, parameters of another number of channels than the map has, is asserted; numbers are normalized as
    ever. A map that is resized linearly has the shape of one that is resized to the nearest voxels.
    """
    real_norm, real_resize = torch.batch_norm, functional.interpolate

    def norm(x: Tensor, *of: object) -> Tensor:
        if x.device.type != "meta":
            return real_norm(x, *of)
        assert {tensor.shape for tensor in of if isinstance(tensor, Tensor)} == {x.shape[1:2]}
        return x.detach()

    def resize(x: Tensor, *args: object, **kwargs: object) -> Tensor:
        if x.device.type == "meta" and kwargs.get("mode") == "trilinear":
            kwargs |= {"mode": "nearest", "align_corners": None}
        return real_resize(x, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "batch_norm", norm)
        patch.setattr(functional, "interpolate", resize)
        yield


@pytest.fixture(scope="module")
def quick_weights() -> Iterator[None]:
    """Fill large weights from a table of random numbers, beginning where torch's generator says, and `meta` not at all.

    A network is filled two to three times as it is built, and that was half the time of these tests. Convolutions are
    zero until the library or the plugin fills them, where torch fills them first: one that is forgotten stays zero.
    """
    generator = torch.Generator().manual_seed(0)
    bell = torch.randn(TABLE, generator=generator)
    bell = ((bell - bell.mean()) / bell.std()).repeat(2)
    even = (2 * torch.rand(TABLE, generator=generator) - 1).repeat(2)
    normal, uniform = torch.Tensor.normal_, torch.Tensor.uniform_

    def fill(weight: Tensor, table: Tensor, middle: float, scale: float) -> Tensor:
        if weight.device.type == "meta" or weight.numel() > DROPPED:
            return weight
        start = int(torch.randint(TABLE, (), device="cpu"))
        for piece in weight.view(-1).split(TABLE):
            torch.mul(table[start : start + len(piece)], scale, out=piece)
        return weight.add_(middle) if middle else weight

    def normal_(weight: Tensor, mean: float = 0.0, std: float = 1.0, **kwargs: object) -> Tensor:
        return fill(weight, bell, mean, std) if _is_quick(weight) else normal(weight, mean, std, **kwargs)

    def uniform_(weight: Tensor, low: float = 0.0, high: float = 1.0, **kwargs: object) -> Tensor:
        half = (high - low) / 2
        return fill(weight, even, low + half, half) if _is_quick(weight) else uniform(weight, low, high, **kwargs)

    def reset_parameters(layer: nn.Module) -> None:
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.zero_()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "normal_", normal_)
        patch.setattr(torch.Tensor, "uniform_", uniform_)
        patch.setattr(conv._ConvNd, "reset_parameters", reset_parameters)
        yield


def _is_quick(weight: Tensor) -> bool:
    return weight.device.type == "meta" or weight.numel() > SMALL
