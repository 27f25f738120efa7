"""Load a checkpoint of torch, and nothing else: no object but tensors, numbers, text, lists and mappings is made.

torch's restricted unpickler (`weights_only`) reads it, and is told of the few types of NumPy that checkpoints of real
trainers hold (nnU-Net's losses are NumPy numbers). Whatever else a file names is refused, and named.
"""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from packaging.version import Version
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pnetkit.errors import WeightsError
from pnetkit.transfer.archives import require_sane

SAFE_SINCE = "2.10"
"""The first torch whose restricted unpickler has no known hole (CVE-2026-24747 was in those before)."""

_SCALAR: Any = np.float32(0).__reduce__()[0]
_NUMBERS = (
    "Bool",
    "Int8",
    "UInt8",
    "Int16",
    "UInt16",
    "Int32",
    "UInt32",
    "Int64",
    "UInt64",
    "Float16",
    "Float32",
    "Float64",
)

ALLOWED: list[Any] = [
    (_SCALAR, "numpy._core.multiarray.scalar"),
    (_SCALAR, "numpy.core.multiarray.scalar"),  # as NumPy 1 wrote it
    np.dtype,
    *(getattr(np.dtypes, f"{name}DType") for name in _NUMBERS),
]
"""What a checkpoint may hold beside what torch allows: NumPy's numbers."""


def load_checkpoint(path: Path) -> Any:
    """Load a file of torch or safetensors as plain values and tensors on the CPU.

    Raises:
        WeightsError: it holds anything else, is damaged, claims more than it holds, or this torch is not safe.
    """
    size = require_sane(path)
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{path}: is no safetensors file ({error}).") from error
    if Version(torch.__version__) < Version(SAFE_SINCE):
        raise WeightsError(
            f"torch {torch.__version__} is installed, whose safe loading has a known hole. Install torch {SAFE_SINCE} "
            f"or later to read {path.name}, or give a .safetensors file."
        )
    try:
        with torch.serialization.safe_globals(ALLOWED):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError,
            OSError, OverflowError, RecursionError, MemoryError) as error:  # fmt: skip
        raise WeightsError(_refused(path, error)) from error
    require_held(path, size, found)
    return found


def require_held(path: Path, size: int, found: Any) -> None:
    """Make sure that tensors take no more than their file: a view of one number can claim to be a million."""
    seen: dict[int, int] = {}
    for name, tensor in all_tensors(found):
        if tensor.is_sparse or tensor.is_quantized or tensor.layout is not torch.strided:
            raise WeightsError(f"{path}: {name} is sparse or quantized; plain tensors are read. Convert it first.")
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        if tensor.numel() * tensor.element_size() > storage.nbytes() or sum(seen.values()) > size:
            raise WeightsError(f"{path}: {name} claims more numbers than the file holds. It is not read.")


def all_tensors(found: Any, name: str = "") -> list[tuple[str, Tensor]]:
    """Give every tensor in nested mappings and lists, by its path."""
    if isinstance(found, Tensor):
        return [(name, found)]
    items = found.items() if isinstance(found, Mapping) else enumerate(found) if isinstance(found, list | tuple) else ()
    return [pair for key, value in items for pair in all_tensors(value, f"{name}.{key}" if name else str(key))]


def _refused(path: Path, error: BaseException) -> str:
    named = re.search(r"(?:GLOBAL|(?:global|class|function|type)) (?!GLOBAL)([\w]+\.[\w.]*\w)", str(error))
    if named is not None:
        return (
            f"{path}: holds {named.group(1)}, which is no tensor and could run code, so nothing of it is loaded. Ask "
            f"its maker for the tensors alone: torch.save(model.state_dict(), …), or a .safetensors file."
        )
    return f"{path}: cannot be read as weights ({str(error).splitlines()[0] if str(error) else type(error).__name__})."
