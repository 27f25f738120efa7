"""Say what a process holds of the memory, and tell its allocator what to do with what is freed."""

import ctypes
import platform
import sys
from functools import lru_cache
from pathlib import Path

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # parameters of mallopt, from glibc's malloc.h


def keep_freed_memory() -> bool:
    """Tell glibc not to give large blocks back to the system; tell whether it could be told.

    A network frees and asks for the same hundreds of megabytes at every step. Each block that is given back is faulted
    in again page by page, which costs a convolutional network on a CPU some tenth of its time. Other C libraries have
    no such setting, and lose nothing but that.
    """
    libc = _glibc()
    if libc is None:
        return False
    mallopt = libc.mallopt
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1))


def give_back_freed_memory() -> bool:
    """Give freed memory back all the same, where one piece of work ends; tell whether it could be done."""
    libc = _glibc()
    if libc is None:
        return False
    libc.malloc_trim(0)
    return True


@lru_cache(maxsize=1)
def _glibc() -> ctypes.CDLL | None:
    """Give the C library of this process, where it is glibc; looked up once, as a worker asks at every node."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


def restart_peak_memory() -> bool:
    """Let the peak begin anew at what this process holds now; tell whether the system, a Linux, did so."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:  # another system, or a sandbox without it: the peak then stays that of all so far
        return False
    return True


def killed_for_memory() -> int:
    """Count the processes that the system has killed because memory ran out, as far as it tells: here, or in all.

    In a container those of the container, by its control group.
    """
    counted = 0
    for file in (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat")):
        try:
            lines = file.read_text(encoding="ascii").splitlines()
        except (OSError, ValueError):
            continue  # another system, or one that does not show it
        counted += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return counted


def peak_memory_mib() -> float | None:
    """Give the most memory that this process has held since `restart_peak_memory`; None where the system does not tell.

    On Linux from its own status: what `getrusage` says is inherited from the process that started this one.
    """
    try:
        status = Path("/proc/self/status").read_bytes()
    except OSError:
        status = b""
    _, is_told, after = status.partition(b"\nVmHWM:")
    if is_told:
        return round(int(after.split(maxsplit=1)[0]) / 2**10, 1)
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (2**20 if sys.platform == "darwin" else 2**10), 1)  # bytes there, KiB elsewhere
