"""Say what a result was made with: versions and hardware."""

import os
import platform
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from pnetkit import cuda


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Give the versions of pnetkit, Python and the libraries that numbers depend on."""
    names = ("pnetkit", "torch", "numpy", "scipy", "nibabel")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def hardware(device: str) -> dict[str, Any]:
    """Give what a reader of a run on this device has to know of the machine; no host or user name.

    GPUs are named where the device is one, or this process has begun to use them: a run on the CPU does not begin to.
    """
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "gpus": cuda.names(begin=cuda.is_gpu(device)),
    }
