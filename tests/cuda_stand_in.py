"""A stand-in for CUDA on a machine without: torch's calls raise where the real ones raise, tensors stay on the CPU.

What it raises was read off torch 2.11 on an H200: before CUDA has begun in a process, `reset_peak_memory_stats` raises
"Invalid device argument"; for an index that is not there, every call that takes one raises. A call that this stand-in
does not know raises too, so that code which makes a new one has to teach it first what the real one does.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from pnetkit.pipeline.engine.workers import start_worker

KNOWN_TO_TORCH_ITSELF = {
    # torch's own Python calls these on the way, also on a machine without a GPU
    "_is_in_bad_fork", "manual_seed_all", "is_available", "is_initialized", "device_count", "current_device",
    "is_current_stream_capturing", "amp", "random", "_lazy_call", "is_bf16_supported",
}  # fmt: skip


@dataclass
class CudaStandIn:
    """Say how many GPUs there are, of which generation, and whether they can be used; note what was asked."""

    gpus: int = 2
    major: int = 9
    usable: bool = True
    begun: bool = False
    used: set[int] = field(default_factory=set)
    note: Path | None = None
    calls: list[str] = field(default_factory=list)

    def begin(self) -> None:
        if not self.usable:
            raise RuntimeError("No CUDA GPUs are available")
        if self.note is not None and not self.begun:
            self.note.write_text("begun")
        self.begun = True

    def use(self, device: Any) -> None:
        """Lay something on a GPU, or make it the one that is meant without a number; write down in the note which."""
        self.begin()
        self.used.add(self.index(device))
        if self.note is not None:
            self.note.write_text(" ".join(map(str, sorted(self.used))))

    def index(self, device: Any) -> int:
        """Give the index of a device, as torch's `_get_device_index` does. Raises for one that is not there."""
        found = torch.device(device) if isinstance(device, str) else device
        number = found if isinstance(found, int) else (found.index or 0)
        if not 0 <= number < self.gpus:
            raise AssertionError("Invalid device id")
        return number

    def reset_peak_memory_stats(self, device: Any = None) -> None:
        if not self.begun:
            raise RuntimeError(f"Invalid device argument {device}: did you call init?")
        self.index(device)

    def max_memory_reserved(self, device: Any = None) -> int:
        return 3 * 2**20 if self.begun and self.index(device) >= 0 else 0

    def set_per_process_memory_fraction(self, fraction: float, device: Any = None) -> None:
        self.begin()
        self.index(device)
        if not isinstance(fraction, float) or not 0 <= fraction <= 1:
            raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~1")

    def set_device(self, device: Any) -> None:
        self.use(device)

    def get_device_properties(self, device: Any = None) -> Any:
        self.begin()
        self.index(device)
        return SimpleNamespace(total_memory=24_000_000_000, major=self.major)

    def get_device_name(self, device: Any = None) -> str:
        self.begin()
        return f"Stand-in {self.index(device)}"

    def empty_cache(self) -> None:
        """Do nothing, as torch does before CUDA has begun."""

    def init(self) -> None:
        self.begin()

    def is_initialized(self) -> bool:
        return self.begun

    def device_count(self) -> int:
        return self.gpus

    def is_available(self) -> bool:
        return self.gpus > 0

    def install(self, monkeypatch) -> "CudaStandIn":
        """Put the stand-in in the place of torch's functions, until the test ends."""
        for name in [*vars(torch.cuda)]:
            if not callable(getattr(torch.cuda, name)) or isinstance(getattr(torch.cuda, name), type):
                continue
            if hasattr(self, name):
                monkeypatch.setattr(torch.cuda, name, self._noted(name))
            elif name not in KNOWN_TO_TORCH_ITSELF and not name.startswith("_"):
                monkeypatch.setattr(torch.cuda, name, self._unknown(name))
        monkeypatch.setattr(torch.Tensor, "pin_memory", self._pinning())
        return self

    def _pinning(self):
        def pin(tensor):
            if not self.begun:
                raise AssertionError("pinning memory would begin CUDA, on the first GPU")
            self.calls.append("pin_memory")
            return tensor

        return pin

    def _noted(self, name):
        def call(*args, **kwargs):
            self.calls.append(name)
            return getattr(self, name)(*args, **kwargs)

        return call

    @staticmethod
    def _unknown(name):
        def call(*_, **__):
            raise AssertionError(f"the stand-in does not know torch.cuda.{name}; teach it what the real one does")

        return call


class OnCpuInstead(TorchFunctionMode):
    """Send what is asked for on a GPU of the stand-in to the CPU; the GPU has then begun, as the real one would."""

    def __init__(self, cuda: CudaStandIn) -> None:
        super().__init__()
        self._cuda = cuda

    def __torch_function__(self, func, types, args=(), kwargs=None):
        del types
        return func(*map(self._here, args), **{name: self._here(value) for name, value in (kwargs or {}).items()})

    def _here(self, value):
        wanted = value
        if isinstance(value, str) and value.startswith("cuda:"):
            wanted = torch.device(value)
        # a bare "cuda" names a kind of device, as torch's own questions about autocast do, and places nothing
        if isinstance(wanted, torch.device) and wanted.type == "cuda" and wanted.index is not None:
            self._cuda.use(wanted)
            return torch.device("cpu")
        return value


def start_worker_with_stand_in(threads, notes=None, *, folder):
    """Stand in for the start of a worker process, whose CUDA is a stand-in, and which notes the GPUs that it uses.

    It lies in `folder`, in one for each pool of workers, which is a lane, and is empty where CUDA never begins.
    """
    start_worker(threads, notes)
    lane = folder / Path(notes).name
    lane.mkdir(exist_ok=True)
    note = lane / str(os.getpid())
    note.touch()
    OnCpuInstead(CudaStandIn(note=note).install(pytest.MonkeyPatch())).__enter__()
