"""Run backbones: choose a device and a precision, hold a network to its promises, build it under a seed."""

import math
import platform
import re
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from pnetkit import cuda
from pnetkit.errors import PluginError, PnetkitError
from pnetkit.interfaces import Backbone, BackboneOutput
from pnetkit.types import BackboneSpec, Triple

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
"""Numbers that a network computes in; tf32 is fp32 whose products a GPU rounds to ten bits."""

SMALL_EDGE = 32
"""Edge of the patches on which networks are measured, where they take it."""

VOLUME_AXES = 5
"""Axes of the weights of a convolution over volumes: channels out, channels in, x, y, z."""


def choose_device(name: str) -> str:
    """Resolve `auto` to the first GPU, or the CPU where there is none; other names have to exist.

    Raises PnetkitError naming the devices that there are.
    """
    there = ["cpu", *(f"cuda:{i}" for i in range(cuda.count()))]
    if torch.backends.mps.is_available():
        there.append("mps")
    if name == "auto":
        return there[1] if len(there) > 1 else "cpu"
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in there:
        raise PnetkitError(f"There is no device {name!r} here. Choose one of: auto, {', '.join(there)}.")
    return wanted


def best_precision(device: str) -> Precision:
    """Give the fastest precision that keeps the range of fp32: bf16 where the device computes in it, else fp32."""
    return "bf16" if _computes_in_bf16(device) else "fp32"


def is_emulated(device: str, precision: Precision) -> bool:
    """Tell whether a CPU has no arithmetic of this precision: convolutions then take a hundred times as long."""
    if device != "cpu" or precision in {"fp32", "tf32"}:
        return False
    known = torch.ops.mkldnn
    return not (known._is_mkldnn_bf16_supported() if precision == "bf16" else known._is_mkldnn_fp16_supported())


def has_tf32(device: str) -> bool:
    """Tell whether a device computes in TF32, as NVIDIA's GPUs since Ampere do."""
    return cuda.is_gpu(device) and cuda.computes_in_tf32(device)


def _computes_in_bf16(device: str) -> bool:
    if cuda.is_gpu(device):
        return cuda.computes_in_bf16(device)
    if device != "cpu" or is_emulated("cpu", "bf16"):
        return False
    # x86 before avx512_bf16 converts to and from fp32 and gains nothing; elsewhere oneDNN knows only the real thing
    return platform.machine() not in {"x86_64", "AMD64"} or torch.cpu._is_avx512_bf16_supported()


def autocast(device: str, precision: Precision) -> Any:
    """Give the context in which a network runs at a precision; `cuda.single_precision` tells fp32 and tf32 apart."""
    if precision in {"fp32", "tf32"}:
        return nullcontext()
    kind = device.partition(":")[0]
    return torch.autocast(kind, dtype=torch.bfloat16 if precision == "bf16" else torch.float16)


def to_channels_last(module: nn.Module) -> None:
    """Lay the weights of 3-D convolutions out channels last, in place: their outputs then follow.

    Parameters and buffers of fewer axes stay as they are; `Module.to` would refuse one of four. Weights of one channel,
    which lie the same in both layouts, get the strides of this one, because torch chooses its kernels by them.
    """
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dim() == VOLUME_AXES:
            tensor.data = tensor.data.to(memory_format=torch.channels_last_3d)


@contextmanager
def without_values() -> Iterator[None]:
    """Build networks on the device `meta`: they have shapes and no values, so none are drawn either.

    torch draws normal values for `meta` in Python, and imports its compiler for that, which takes a second.
    """
    with torch.device("meta"), _NothingDrawn():
        yield


class _NothingDrawn(TorchFunctionMode):
    """Leaves tensors alone that have no values to draw."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.normal_ and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))


def build_seeded(build: Callable[[], Any], seed: int) -> Backbone:
    """Build a backbone whose first weights depend on the seed alone; the caller's random state stays as it was.

    Raises PluginError when what was built does not fit the interface.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = build()
    return require_backbone(backbone)


def require_backbone(made: Any) -> Backbone:
    """Give what a plugin made, as a backbone. Raises PluginError naming what it lacks to be one."""
    if not isinstance(made, Backbone):
        missing = [name for name in ("spec", "train", "eval", "to", "parameters", "state_dict", "load_state_dict")
                   if not hasattr(made, name)]  # fmt: skip
        raise PluginError(
            f"{type(made).__name__} is not a Backbone: it lacks {', '.join(missing) or '__call__'}. "
            f"See pnetkit.interfaces.Backbone."
        )
    return made


@runtime_checkable
class Network(Protocol):
    """What inference asks of a backbone: a spec, and scores for patches."""

    spec: BackboneSpec

    def __call__(self, x: Tensor) -> BackboneOutput:
        """Score every voxel of a batch of patches."""


def checked_output(backbone: Network, x: Tensor) -> BackboneOutput:
    """Run a network and hold it to its promise: one logit per class and voxel of the input.

    Raises PluginError saying what came back and what was promised, or that it cannot take a size that it admits.
    """
    with sizes_in_words(backbone, x):
        output = backbone(x)
    wanted = (x.shape[0], backbone.spec.num_classes, *x.shape[2:])
    got = tuple(output.logits.shape)
    if got != wanted:
        raise PluginError(
            f"The backbone {type(backbone).__name__} answered logits of shape {got} to an input of {tuple(x.shape)}; "
            f"its interface promises {wanted}. Choose parameters under which it keeps the size (padding: same)."
        )
    return output


@contextmanager
def sizes_in_words(backbone: Network, x: Tensor) -> Iterator[None]:
    """Say of a network that breaks on the size of its input what is the matter: it claims too small a divisor.

    torch says which two tensors inside do not fit each other, and neither plugin nor size. Raises PluginError.
    """
    try:
        yield
    except RuntimeError as error:
        if not _ABOUT_SIZES.search(str(error)):
            raise
        spec = backbone.spec
        raise PluginError(
            f"The backbone {type(backbone).__name__} cannot take an input of {tuple(x.shape[2:])}, although it says "
            f"that it takes every multiple of its divisor {spec.divisor}: {error}. Its divisor is larger than its spec "
            f"says; choose sizes that are multiples of a larger number (16, 32), and tell its authors."
        ) from error


_ABOUT_SIZES = re.compile(  # what torch says where skip connections do not meet
    r"[Ss]izes? of tensors?\b.*must match|size mismatch|shapes? .* (mismatch|not aligned)"
)


def require_finite(values: Tensor, what: str) -> None:
    """Hold what a network gave to numbers: NaN or infinity would be read as background, and so as a normal case.

    Raises PluginError naming `what` it is.
    """
    _require_finite(torch.stack(torch.aminmax(values)), what)


@dataclass(slots=True)
class FiniteLater:
    """Gathers the extremes of what networks give on a GPU, where each look at them would wait for the network."""

    extremes: dict[str, Tensor] = field(default_factory=dict)

    def note(self, values: Tensor, what: str) -> None:
        """Take in what a network gave; it stays where it is."""
        found = torch.stack(torch.aminmax(values))
        before = self.extremes.get(what)
        if before is not None:  # NaN stays NaN
            found = torch.stack((torch.minimum(found[0], before[0]), torch.maximum(found[1], before[1])))
        self.extremes[what] = found

    def require(self) -> None:
        """Hold all of it to numbers. Raises PluginError as `require_finite` does."""
        for what, found in self.extremes.items():
            _require_finite(found, what)


def _require_finite(extremes: Tensor, what: str) -> None:
    low, high = extremes.tolist()  # both are NaN where any value is
    if not (math.isfinite(low) and math.isfinite(high)):
        raise PluginError(
            f"{what} are not finite (from {low:g} to {high:g}). Its weights are damaged, its training diverged, or its "
            f"numbers overflow: train again with a lower training.learning_rate, or use precision fp32."
        )


def not_finite(state: Mapping[str, Tensor]) -> list[str]:
    """Name the tensors of a network that hold NaN or infinity."""
    numbers = {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
    return [name for name, tensor in numbers.items() if not bool(torch.isfinite(tensor).all())]


def check_patch_size(backbone: Backbone, patch_size: tuple[int, int, int], what: str) -> None:
    """Raise PluginError when a patch is not the one size of the backbone, or no multiple of what it divides by."""
    divisor, only = backbone.spec.divisor, backbone.spec.only_size
    if only is not None and tuple(patch_size) != only:
        raise PluginError(
            f"{what} is {tuple(patch_size)}, but the backbone {type(backbone).__name__} takes no other size than "
            f"{only}. Set {what} to {list(only)}, or build the backbone for another size by its parameters."
        )
    if any(p % d for p, d in zip(patch_size, divisor, strict=True)):
        better = tuple(-(-p // d) * d for p, d in zip(patch_size, divisor, strict=True))
        raise PluginError(
            f"{what} is {patch_size}, but the backbone {type(backbone).__name__} needs multiples of {divisor}. "
            f"The next that fits is {better}."
        )


def small_size(spec: BackboneSpec, edge: int = SMALL_EDGE) -> Triple:
    """Give a small size of input that a network can be trained on: its only one, or `edge` voxels and more.

    Two divisors at the least: one voxel at the deepest level cannot be normalized.
    """
    x, y, z = (max(2, -(-edge // divisor)) * divisor for divisor in spec.divisor)
    return spec.only_size or (x, y, z)


def kept_bytes_per_voxel(network: Backbone, size: Triple) -> float:
    """Measure the bytes that a training step keeps for its backward pass, for each input voxel, in fp32.

    `size` is that of the patches. Counted on the CPU from the tensors that autograd saves, each storage once; weights
    are not counted.
    """
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    network.train()
    x = torch.zeros(2, network.spec.in_channels, *size)  # batch norms need more than one value
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = checked_output(network, x)
    del output
    return sum(seen.values()) / x[:, 0].numel()


class _LiveBytes(TorchDispatchMode):
    """Counts the bytes of the tensors that were made and are not yet freed, each storage once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak: int = 0
        self._now: int = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: Any) -> None:
        place, size = id(storage), int(storage.nbytes())
        if place in self._known:
            return
        self._known.add(place)
        self._now += size
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._free, place, size)

    def _free(self, place: int, size: int) -> None:
        self._known.discard(place)
        self._now -= size


def window_bytes(network: Network, channels: int, window: tuple[int, int, int]) -> int:
    """Count the most bytes of activations that a window holds at once, of a network on `meta`: nothing is computed.

    Weights and the input are not counted, nor what a convolution takes for itself.
    """
    x = torch.empty(1, channels, *window, device="meta").to(memory_format=torch.channels_last_3d)
    live = _LiveBytes()
    with live, torch.inference_mode():
        network(x)
    return live.peak


def distinct_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give a network's state without tensors that stand in it under a further name: some networks keep a module twice.

    Of several names the first in alphabetical order stays. `load_state` fills the others in.
    """
    first = _first_names(state)
    return {name: tensor for name, tensor in state.items() if first[name] == name}


def load_state(backbone: Backbone, tensors: Mapping[str, Tensor]) -> None:
    """Give a network the tensors that `distinct_tensors` left of a state. Raises RuntimeError where they do not fit."""
    first = _first_names(backbone.state_dict())
    filled = {name: tensors[kept] for name, kept in first.items() if name not in tensors and kept in tensors}
    backbone.load_state_dict({**tensors, **filled})


def _first_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Map each name to the first one whose tensor lies in the very same memory."""
    places: dict[Any, str] = {}
    first = {}
    for name in sorted(state):
        tensor = state[name]
        place = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype) if tensor.numel() else name
        first[name] = places.setdefault(place, name)
    return first


def multiply_adds(backbone: Backbone, window: tuple[int, int, int]) -> int:
    """Count the multiply-adds of one window, on the device that the backbone is on; `meta` computes nothing."""
    device = next(backbone.parameters()).device
    backbone.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        backbone(torch.empty(1, backbone.spec.in_channels, *window, device=device))
    return int(counter.get_total_flops()) // 2
