"""Tell the allocator of a worker what to do."""

import ctypes
import platform

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
