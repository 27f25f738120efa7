"""Segment one scan with one trained network, or with several that vote together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pnetkit.imaging.boxes import Box, bounding_box
from pnetkit.inference.search import Mask, Settings, search
from pnetkit.inference.sliding import volume_shape
from pnetkit.networks import Network
from pnetkit.types import BACKGROUND, Grid, Segmentation, Triple


@dataclass(frozen=True, slots=True, eq=False)
class Segmented:
    """Hold a segmentation, and what it took: windows of both passes, and why the search was not kept to a region.

    `region` (x, y, z) is where the second pass looked; None where it looked everywhere. `shares` are those of `Found`.
    """

    segmentation: Segmentation
    windows: int
    coarse_windows: int = 0
    fallback: str = ""
    region: Mask | None = None
    shares: NDArray[Any] | None = None


def segment(
    networks: Network | Sequence[Network],
    volume: NDArray[np.float32],
    grid: Grid,
    settings: Settings,
    *,
    body: Mask | None = None,
) -> Segmented:
    """Give the labels of a volume (channel, x, y, z) of network input, with votes and voters where windows vote.

    What is not in `body` (x, y, z) is background. `networks` are what `accelerated` gave for the same device and
    precision; several have a vote in each window, or a share in the mean of probabilities.
    """
    networks = networks if isinstance(networks, Sequence) else [networks]
    box = bounding_box(body) if settings.body_box and body is not None else None
    if box is None:
        result = search(networks, volume, settings, body)
    else:
        inside = _at_least(box, settings.window, volume_shape(volume))
        cropped = np.ascontiguousarray(volume[(slice(None), *inside)])
        part = search(networks, cropped, settings, None if body is None else body[inside])
        shape = volume_shape(volume)
        result = replace(
            part,
            labels=_pasted(part.labels, inside, shape),
            votes=None if part.votes is None else _pasted(part.votes, inside, shape),
            voters=None if part.voters is None else _pasted(part.voters, inside, shape),
            region=None if part.region is None else _pasted(part.region, inside, shape),
            shares=None if part.shares is None else _pasted(part.shares, inside, shape),
        )
    segmentation = Segmentation(result.labels, grid, votes=result.votes, voters=result.voters)
    told = result.windows, result.coarse_windows, result.fallback, result.region, result.shares
    return Segmented(segmentation, *told)


def _at_least(box: Box, window: Triple, shape: Triple) -> tuple[slice, slice, slice]:
    """Widen a box to a window where the volume has the room: real tissue instead of padding."""
    places = []
    for start, stop, w, n in zip(box.start, box.stop, window, shape, strict=True):
        missing = max(min(w, n) - (stop - start), 0)
        first = min(max(start - missing // 2, 0), n - (stop - start) - missing)
        places.append(slice(first, first + stop - start + missing))
    return places[0], places[1], places[2]


def _pasted(array: NDArray[Any], inside: tuple[slice, slice, slice], shape: Triple) -> NDArray[Any]:
    full = np.full((*array.shape[:-3], *shape), BACKGROUND, dtype=array.dtype)
    full[(..., *inside)] = array
    return full
