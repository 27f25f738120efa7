"""Lay tensors of any type into one row of bytes and take them out again, bit by bit as they were."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

ALIGNED = 8
"""Each tensor begins at a multiple of so many bytes, as those of the widest numbers have to."""


def packed(tensors: Iterable[Tensor]) -> Tensor:
    """Give tensors, one or more, as one tensor (byte,) uint8 on their device."""
    return torch.cat([_bytes(tensor) for tensor in tensors])


def packed_size(like: Iterable[Tensor]) -> int:
    """Give the bytes that tensors of these shapes and types take."""
    return sum(_size(tensor) for tensor in like)


def unpacked(data: Tensor, like: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Take tensors of given shapes and types from the beginning of what was packed; give them, and the rest of it."""
    found = []
    for wanted in like:
        count = math.prod(wanted.shape) * wanted.element_size()
        found.append(data[:count].view(wanted.dtype).view(wanted.shape))
        data = data[_size(wanted) :]
    return found, data


def _bytes(tensor: Tensor) -> Tensor:
    row = tensor.detach().contiguous().view(-1).view(torch.uint8)
    return pad(row, (0, -len(row) % ALIGNED))


def _size(tensor: Tensor) -> int:
    return -(-tensor.numel() * tensor.element_size() // ALIGNED) * ALIGNED
