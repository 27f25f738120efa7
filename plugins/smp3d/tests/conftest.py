"""What the tests of Smp3D share."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor


@pytest.fixture(scope="module")
def quick_norms() -> Iterator[None]:
    """Answer a batch norm on the device `meta` at once, where torch writes it out in Python, as fifteen operations.

    They were nine tenths of the time of the networks that are run for the shapes that they give. What such a norm would
    refuse, parameters of another number of channels than the map has, is asserted; numbers are normalized as ever.
    """
    real = torch.batch_norm

    def norm(x: Tensor, *of: object) -> Tensor:
        if x.device.type != "meta":
            return real(x, *of)
        assert {tensor.shape for tensor in of if isinstance(tensor, Tensor)} == {x.shape[1:2]}
        return torch.empty_like(x)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "batch_norm", norm)
        yield
