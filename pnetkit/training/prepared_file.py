"""A prepared case as one file: a safetensors file of the bricks of its volumes and of the indices of its foreground.

It is mapped anew for each batch and let go after it. A map that stays open holds a file descriptor of its own, of which
a process may have a thousand, and the pages that were read: a training with many cases would run out of the one or
end with all of its cases in its own memory.
"""

import json
import math
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from pnetkit.errors import StoreError
from pnetkit.training.bricks import Bricks, in_bricks
from pnetkit.types import Triple

_PARTS = ("base", "place", "narrow", "wide")

_TYPES = {"U8": np.uint8, "I16": np.int16, "I32": np.int32, "I64": np.int64, "F32": np.float32}
"""The numbers that are in such a file, by their names in its header."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedVolumes:
    """Hold what is in the file: HU of each channel, labels, and flat indices of foreground and lesion."""

    hu: tuple[Bricks, ...]
    labels: Bricks
    foreground: NDArray[np.int64]
    lesion: NDArray[np.int64]


def write_prepared(
    path: Path,
    hu: Sequence[NDArray[Any]],
    labels: NDArray[np.uint8],
    foreground: NDArray[np.int64],
    lesion: NDArray[np.int64],
) -> None:
    """Write a case: `hu` by channel, each (x, y, z), int16 or float32; the indices are into `labels`."""
    tensors: dict[str, NDArray[Any]] = {"foreground": foreground, "lesion": lesion}
    for name, volume in {**{f"hu_{number}": of for number, of in enumerate(hu)}, "labels": labels}.items():
        bricks = in_bricks(volume)
        tensors |= {f"{name}_{part}": getattr(bricks, part) for part in _PARTS}
    save_file(tensors, path, {"shape": json.dumps(labels.shape), "channels": str(len(hu))})


def map_prepared(path: Path) -> PreparedVolumes:
    """Map a case into memory; its pages are let go with the last of its arrays.

    Raises StoreError for a file that is not there or not whole.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        start = 8 + int.from_bytes(mapped[:8], "little")
        header = json.loads(mapped[8:start])
        said = header.pop("__metadata__")
        x, y, z = json.loads(said["shape"])
        arrays = {name: _array(mapped, start, of) for name, of in header.items()}
        hu = tuple(_bricks((x, y, z), f"hu_{number}", arrays) for number in range(int(said["channels"])))
        volumes = hu, _bricks((x, y, z), "labels", arrays)
        return PreparedVolumes(*volumes, arrays["foreground"], arrays["lesion"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path}: cannot be read ({error}). Delete {path.parent} to prepare the case again."
        ) from error


def _array(mapped: mmap.mmap, start: int, of: Mapping[str, Any]) -> NDArray[Any]:
    begin, shape = start + of["data_offsets"][0], of["shape"]
    return np.frombuffer(mapped, _TYPES[of["dtype"]], math.prod(shape), begin).reshape(shape)


def _bricks(shape: Triple, name: str, arrays: Mapping[str, NDArray[Any]]) -> Bricks:
    return Bricks(shape, *(arrays[f"{name}_{part}"] for part in _PARTS))
