"""Ask torch about CUDA's GPUs: every call into `torch.cuda` and its backends is here, and none begins CUDA unsaid.

Beginning CUDA in a process takes seconds, and some hundred MiB of the GPU for as long as the process lives; and several
of torch's calls raise where it has not begun, or for a GPU that is not there. So what only asks leaves a process that
never uses the GPU as it is. What begins CUDA says so; it is called where a network is about to run, or where the
process of a run chooses the numbers that its networks compute in. A device is `cpu`, `cuda:0`, `cuda:1`, and so on;
functions take any of them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from pnetkit.errors import PnetkitError


def is_gpu(device: str) -> bool:
    """Tell whether a device is a GPU of CUDA."""
    return device.startswith("cuda")


def count() -> int:
    """Give the number of GPUs; 0 where torch or the driver knows none."""
    return torch.cuda.device_count()


def has_begun() -> bool:
    """Tell whether CUDA has begun in this process."""
    return bool(torch.cuda.is_initialized())


def names(*, begin: bool = False) -> list[str]:
    """Name the GPUs; where CUDA has not begun in this process and is not to `begin`, only say that they are there."""
    if not has_begun() and not begin:
        return ["not used"] * count()
    return [_name(index) for index in range(count())]


def described() -> tuple[str, str]:
    """Begin CUDA to say what build of torch this is and what GPUs it can use, in words; the second is why it cannot.

    For `pnetkit doctor`: a driver that is there and a GPU that is not end in a sentence, not in an error.
    """
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    if torch.version.cuda is None:
        return build, ""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return build, f"no GPU is usable: {_first_line(error)}"
    return build, "" if count() else "no GPU is usable: the driver may be missing or too old"


def computes_in_bf16(device: str) -> bool:
    """Tell whether a GPU has arithmetic of its own for bf16; begins CUDA. Raises PnetkitError for one not usable."""
    return torch.version.hip is not None or bool(_properties(device).major >= AMPERE)


def computes_in_tf32(device: str) -> bool:
    """Tell whether a GPU has TF32; begins CUDA. Raises PnetkitError for one not usable."""
    return torch.version.hip is None and bool(_properties(device).major >= AMPERE)


AMPERE = 8
"""The first compute capability with bf16 and TF32."""


@contextmanager
def single_precision(*, tf32: bool) -> Iterator[None]:
    """Let GPUs compute fp32 as it is until the block ends, or with `tf32` in TF32: faster, and of three digits.

    Without a word torch lets convolutions be TF32, and so a network's numbers other than on a CPU. Begins nothing.
    """
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    try:
        convolutions.allow_tf32 = products.allow_tf32 = tf32
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before


def limit_memory(device: str, share_bytes: float) -> float | None:
    """Keep this process to a share of a GPU's memory; give the fraction, or None where the device is no such GPU.

    Begins CUDA: for work that is about to use the GPU. An allocation beyond the share raises torch.OutOfMemoryError, as
    it would on a GPU of that size. Raises PnetkitError where the GPU is not usable.
    """
    if not is_gpu(device):
        return None
    fraction = min(share_bytes / float(_properties(device).total_memory), 1.0)
    torch.cuda.set_per_process_memory_fraction(fraction, device)
    return fraction


def make_current(device: str) -> None:
    """Let work that names no number mean this GPU; begins CUDA, but for the first one, which is meant without a word.

    Raises PnetkitError where the GPU is not usable.
    """
    if is_gpu(device) and (number := int(device.partition(":")[2] or 0)):
        _properties(device)  # says in words what is the matter
        torch.cuda.set_device(number)


def restart_peak(device: str) -> None:
    """Begin the peak of this process's memory on a GPU anew; where CUDA has not begun, it begins at nothing anyway."""
    if is_gpu(device) and has_begun():
        torch.cuda.reset_peak_memory_stats(device)


def peak_mib(device: str) -> float | None:
    """Give the most MiB that torch has held of a GPU in this process since then; None where it never used one."""
    if not is_gpu(device) or not has_begun():
        return None
    return round(torch.cuda.max_memory_reserved(device) / 2**20, 1)


def pinned(tensor: Tensor, device: str) -> Tensor:
    """Give a tensor in memory from which a GPU copies while the processor goes on; as it is for other devices.

    For work whose network is on the GPU already, as pinning begins CUDA.
    """
    return tensor.pin_memory() if is_gpu(device) else tensor


def sent(array: NDArray[Any], device: str) -> Tensor:
    """Begin to copy an array to a device, and give it there; what is computed on it comes after the copy by itself.

    To a GPU it goes through page-locked memory: an ordinary copy would wait for all that the GPU still has to do.
    """
    # elsewhere nobody keeps the array until a copy that is not waited for has been made
    return pinned(torch.from_numpy(array), device).to(device, non_blocking=is_gpu(device))


def fetched(tensor: Tensor) -> Callable[[], NDArray[Any]]:
    """Begin to copy a tensor to the main memory; give a function that waits for this copy, and for nothing after it.

    The tensor must not be changed before: where it lies in the main memory already, it is not copied.
    """
    if tensor.device.type != "cuda":
        array: NDArray[Any] = tensor.cpu().numpy()
        return lambda: array
    here = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    here.copy_(tensor, non_blocking=True)
    there = torch.cuda.Event()
    there.record(torch.cuda.current_stream(tensor.device))

    def waited() -> NDArray[Any]:
        there.synchronize()
        array: NDArray[Any] = here.numpy()
        return array

    return waited


def give_back_freed() -> None:
    """Give back what torch keeps of the GPU's memory for later; nothing where CUDA has not begun."""
    if has_begun():
        torch.cuda.empty_cache()


def _name(index: int) -> str:
    try:
        return torch.cuda.get_device_name(index)
    except (RuntimeError, AssertionError) as error:
        return f"not usable ({_first_line(error)})"


def _properties(device: str) -> Any:
    try:
        return torch.cuda.get_device_properties(device)
    except (RuntimeError, AssertionError) as error:  # torch raises these before the first and for a wrong one
        raise PnetkitError(
            f"The GPU {device} cannot be used ({_first_line(error)}). Look at `pnetkit doctor`, or choose another "
            f"--device."
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__
