"""Say what a result was made with: versions and hardware."""

import os
import platform
import sys
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
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


def restart_peak_memory() -> bool:
    """Let the peak begin anew at what this process holds now; tell whether the system, a Linux, did so."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:  # another system, or a sandbox without it: the peak then stays that of all so far
        return False
    return True


def peak_memory_mib() -> float | None:
    """Give the most memory that this process has held since `restart_peak_memory`; None where the system does not tell.

    On Linux from its own status: what `getrusage` says is inherited from the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        own = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        if own:
            return round(int(own[0]) / 2**10, 1)
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (2**20 if sys.platform == "darwin" else 2**10), 1)  # bytes there, KiB elsewhere
