"""Let overlapping windows vote on the label of each voxel.

Every window gives one hard label per voxel; the label with the most votes wins, the lowest one on a tie, as in the
released code of the paper's ancestor (HeartSeg, `patches2Img_vote.m`). Votes are whole numbers, so neither the order of
the windows nor the size of the batches can change the result.

They are counted where the network runs: from a GPU nothing comes back but the planes that are decided.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pnetkit import cuda
from pnetkit.inference.sliding import (
    Fill,
    Slices,
    pad_mask,
    pad_to_window,
    sliding_patches,
    volume_shape,
    windows_over,
)
from pnetkit.inference.windows import most_votes
from pnetkit.types import Triple

Predictor = Callable[[NDArray[np.float32]], Tensor]
"""Takes patches (batch, channel, x, y, z) and gives their labels (batch, x, y, z) uint8, on the device of the vote."""


Writes = list[Callable[[], None]]
"""What is still to be written of planes that are decided."""


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """Hold the outcome of a vote.

    `labels` (x, y, z) uint8; `votes` counts the windows that chose the winning label, `voters` those that saw it: both
    are 0 where nobody was asked. `counts` (class, x, y, z) are all votes, where they were kept. `windows` were run.
    """

    labels: NDArray[np.uint8]
    votes: NDArray[np.unsignedinteger[Any]]
    voters: NDArray[np.unsignedinteger[Any]]
    windows: int
    counts: NDArray[np.unsignedinteger[Any]] | None = None


def vote(  # noqa: PLR0913  # by keyword, each of them one thing
    predictors: Sequence[Predictor],
    volume: NDArray[np.float32],
    *,
    num_classes: int,
    window: Triple,
    stride: Triple,
    batch_size: int,
    fill: Fill,
    where: NDArray[np.bool_] | None = None,
    windows: Sequence[Slices] | None = None,
    device: str = "cpu",
    keep_counts: bool = False,
) -> Votes:
    """Slide windows over a volume (channel, x, y, z) and take the majority label of each voxel.

    Every predictor has a vote in every window: that of one network, or those of the networks of all folds together.
    A volume smaller than a window is padded with `fill` on both sides, and the result cut back. What is not in `where`
    (x, y, z) is background; windows that hold nothing of it are not run, which changes no label inside. `windows` are
    run instead where they are given: some of the grid of the padded volume, in the order of x. Counters are the
    smallest unsigned integers that cannot overflow, bytes at the paper's window and stride, and are held for the planes
    that windows still to come may see, one window deep, on `device`; with `keep_counts` all are given.
    """
    volume, inside = pad_to_window(volume, window, fill)
    shape = volume_shape(volume)
    asked = None if where is None else pad_mask(where, window)
    if windows is None:
        windows = windows_over(shape, window, stride, asked)
    dtype = np.min_scalar_type(most_votes(shape, window, stride) * len(predictors))
    found: list[NDArray[Any]] = [np.zeros(shape, dtype=d) for d in (np.uint8, dtype, dtype)]
    found += [np.zeros((num_classes, *shape), dtype=dtype)] if keep_counts else []
    if windows:
        start = [min(place[axis].start for place in windows) for axis in range(3)]
        stop = [max(place[axis].stop for place in windows) for axis in range(3)]
        plane = (slice(start[1], stop[1]), slice(start[2], stop[2]))
        size = (num_classes, window[0], stop[1] - start[1], stop[2] - start[2])
        counts = torch.uint8 if dtype.itemsize == 1 else torch.int32
        slab = torch.zeros(size, dtype=counts, device=device)
        first = start[0]
        classes = torch.arange(num_classes, dtype=torch.uint8, device=device)[:, None, None, None]
        coming: Writes = []
        for places, patches in sliding_patches(volume, windows, batch_size, ahead=not device.startswith("cpu")):
            answers = [predict(patches) for predict in predictors]
            for place, *ballots in zip(places, *answers, strict=True):
                if place[0].start > first:  # windows come in the order of x: nobody will vote on what lies before
                    slab, later = _settle(slab, place[0].start - first, first, plane, found, asked)
                    _write(coming)  # of the planes before: these are still on their way
                    first, coming = place[0].start, later
                y, z = (slice(s.start - a, s.stop - a) for s, a in zip(place[1:], start[1:], strict=True))
                counter = slab[:, :, y, z]
                for labels in ballots:
                    counter += (labels == classes).view(torch.uint8)  # a sum of bytes is vectorized
        _, later = _settle(slab, window[0], first, plane, found, asked)
        _write([*coming, *later])
    labels, votes, voters, *kept = (array[(..., *inside)] for array in found)
    return Votes(labels, votes, voters, len(windows), kept[0] if keep_counts else None)


def _planes_at_once(kind: str, count: int) -> int:
    """Give how many planes to decide at once: what a cache holds, or all, because each trip to a GPU takes its time."""
    return 1 if kind == "cpu" else count


def _settle(
    slab: Tensor,
    count: int,
    first: int,
    plane: tuple[slice, slice],
    into: list[NDArray[Any]],
    asked: NDArray[np.bool_] | None,
) -> tuple[Tensor, Writes]:
    """Decide the first `count` planes of a slab of counters (class, x, y, z), and give it with the others moved up.

    The slab begins at x = `first` of the volume and lies over `plane` there. Winner, its votes and the voters are
    written; 0 for what is not `asked`. Where no window was nothing is written: untouched memory takes no room. From a
    GPU they begin their way here, and what is given is to be called to write them, when other work is under way.
    """
    count, later = min(count, slab.shape[1]), Writes()
    at_once = _planes_at_once(slab.device.type, count)
    for i in range(0, count, at_once):
        until = min(i + at_once, count)
        planes = slice(first + i, first + until)
        counts = slab[:, i:until]
        most, winner = counts[0].clone(), torch.zeros_like(counts[0], dtype=torch.uint8)
        for label in range(1, len(counts)):
            winner.masked_fill_(counts[label] > most, label)  # the first of equal counts, so the lowest label
            most = torch.maximum(most, counts[label])
        voters = counts.sum(dim=0, dtype=counts.dtype)
        where = (planes, *plane)
        decided = (winner, most, voters, counts)[: len(into)]
        write = partial(_written, [cuda.fetched(of) for of in decided], where, into, asked)
        if at_once == 1:
            write()
        else:
            later.append(write)
    rest = torch.zeros_like(slab)
    rest[:, : slab.shape[1] - count] = slab[:, count:]
    return rest, later


def _written(
    fetched: Sequence[Callable[[], NDArray[Any]]],
    where: Slices,
    into: Sequence[NDArray[Any]],
    asked: NDArray[np.bool_] | None,
) -> None:
    """Write what was decided of some planes."""
    for array, of in zip(into, fetched, strict=True):
        array[(..., *where)] = of()
        if asked is not None:
            array[(..., *where)][..., ~asked[where]] = 0


def _write(writes: Writes) -> None:
    for write in writes:
        write()
