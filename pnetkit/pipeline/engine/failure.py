"""Say why a piece of work failed, in text: an exception may hold what no other process can read."""

import traceback
from dataclasses import dataclass

import torch

from pnetkit.errors import PnetkitError


@dataclass(frozen=True, slots=True)
class Failure:
    """Say why a node failed: one line for people, and the traceback when it is a bug rather than a bad input."""

    reason: str
    traceback: str | None = None


def failure_of(error: BaseException) -> Failure:
    """Put an error into words: what the user can do about it, or what has to be reported."""
    if isinstance(error, PnetkitError):
        return Failure(str(error))
    if isinstance(error, torch.OutOfMemoryError):
        return Failure(
            f"the GPU's memory ran out ({str(error).partition('. ')[0]}). Run again with more --vram, fewer --workers, "
            "a larger training.accumulation or a smaller inference.window_size."
        )
    if isinstance(error, MemoryError):
        return Failure("memory ran out. Run again with fewer --workers or a smaller inference.batch_size.")
    return Failure(f"{type(error).__name__}: {error} (unexpected)", "".join(traceback.format_exception(error)))
