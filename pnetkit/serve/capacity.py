"""How many studies run at once on a machine, with how many threads and how much memory each."""

import os
from dataclasses import dataclass

from pnetkit.networks import choose_device
from pnetkit.processors import usable_processors

EACH_BYTES = 6 * 10**9
"""What a study of two phases of 512² x 400 voxels takes, with its networks, and some more."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """Say how many studies run at once and what each of them may use; `ram_bytes_each` is None for no limit."""

    device: str
    at_once: int
    threads: int
    ram_bytes_each: int | None


def capacity(device: str, *, at_once: int | None = None, ram_bytes: int | None = None) -> Capacity:
    """Give what a machine does at once: one study on a GPU; on processors one a core, as far as memory goes.

    `ram_bytes` bounds all of them together: each may hold its share, and is ended when it holds more.
    """
    where, cores = choose_device(device), usable_processors()
    number = at_once
    if number is None:
        fitting = max(1, (ram_bytes or _memory_bytes()) // EACH_BYTES)
        number = min(cores, fitting) if where == "cpu" else 1
    each = None if ram_bytes is None else ram_bytes // number
    return Capacity(where, number, max(1, cores // number), each)


def _memory_bytes() -> int:
    """Give the memory of this machine; little where it does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return EACH_BYTES
