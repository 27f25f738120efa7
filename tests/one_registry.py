"""The list of what torch can write as ONNX, made once for a process's tests."""

from collections.abc import Iterator
from contextlib import suppress
from functools import cache

import pytest


@pytest.fixture(scope="session")
def one_registry() -> Iterator[None]:
    """Let torch list what it can write as ONNX once, and not at each export: half of the time of a small network.

    Where another torch has the list elsewhere, it is made each time.
    """
    with pytest.MonkeyPatch.context() as patch:
        with suppress(ImportError, AttributeError):
            from torch.onnx._internal.exporter._registration import ONNXRegistry

            patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(cache(ONNXRegistry.from_torchlib)))
        yield
