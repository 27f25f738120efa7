"""Tell the allocators of a worker what to do, and ask a GPU's what it held."""

import ctypes
import platform

import torch

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # parameters of mallopt, from glibc's malloc.h


def keep_freed_memory() -> bool:
    """Tell glibc not to give large blocks back to the system; tell whether it could be told.

    A network frees and asks for the same hundreds of megabytes at every step. Each block that is given back is faulted
    in again page by page, which costs a convolutional network on a CPU some tenth of its time. Other C libraries have
    no such setting, and lose nothing but that.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1))


def give_back_freed_memory() -> bool:
    """Give freed memory back all the same, where one piece of work ends; tell whether it could be done."""
    if platform.libc_ver()[0] != "glibc":
        return False
    ctypes.CDLL(None).malloc_trim(0)
    return True


def restart_gpu_peak(device: str) -> None:
    """Begin the peak of this process's memory on a GPU anew."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)


def gpu_peak_mib(device: str) -> float | None:
    """Give the most MiB that torch has held of a GPU in this process since then; None where the device is none."""
    return round(torch.cuda.max_memory_reserved(device) / 2**20, 1) if device.startswith("cuda") else None


def limit_gpu_memory(device: str, share_bytes: float) -> float | None:
    """Keep this process to a share of a GPU's memory; give the fraction, or None where the device is no such GPU.

    An allocation beyond it raises torch.OutOfMemoryError, as it would on a GPU of that size.
    """
    if not device.startswith("cuda"):
        return None
    total = torch.cuda.get_device_properties(device).total_memory
    fraction = min(share_bytes / total, 1.0)
    torch.cuda.set_per_process_memory_fraction(fraction, device)
    return fraction
