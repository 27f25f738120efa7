"""What networks said of one scan, each group of them at the spacing that it was trained at, joined on one grid.

A fold's network keeps to its own spacing, which with `median` is that of its own training cases. Networks of one
spacing vote in one pass; the shares of several passes are averaged where the labels are needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from pnetkit.imaging.spacing import Spacing, labels_on, largest_shares
from pnetkit.inference.segment import Segmented
from pnetkit.inference.shares import shares_of
from pnetkit.types import BACKGROUND, Grid, Segmentation


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Hold what `networks` networks of one spacing found together."""

    spacing_mm: Spacing | None
    networks: int
    found: Segmented


def labels_of_looks(looks: Sequence[Look], grid: Grid) -> Segmentation:
    """Give the labels on a grid: those of the search where it ran there alone, else of the largest mean share."""
    first = looks[0].found.segmentation
    if len(looks) == 1 and first.grid.matches(grid):
        return first
    return Segmentation(largest_shares([shares_of(look.found, look.networks) for look in looks], grid), grid)


def region_of_looks(looks: Sequence[Look], grid: Grid) -> NDArray[np.bool_] | None:
    """Give where any of the searches looked closely, on a grid; None where one looked everywhere."""
    regions = [
        _on(look.found.region, look.found.segmentation.grid, grid) for look in looks if look.found.region is not None
    ]
    return reduce(np.logical_or, regions) if len(regions) == len(looks) else None


def agreement_of_looks(looks: Sequence[Look]) -> float | None:
    """Give the mean share of votes for the winning label over the foreground, of each network alike."""
    known = [(agreed, look.networks) for look in looks if (agreed := _agreement(look.found.segmentation)) is not None]
    return sum(agreed * of for agreed, of in known) / sum(of for _, of in known) if known else None


def _on(region: NDArray[np.bool_], grid: Grid, target: Grid) -> NDArray[np.bool_]:
    return region if grid.matches(target) else labels_on(region.view(np.uint8), grid, target).view(np.bool_)


def _agreement(result: Segmentation) -> float | None:
    foreground = result.labels > BACKGROUND
    if result.votes is None or result.voters is None or not foreground.any():
        return None
    return float((result.votes[foreground] / result.voters[foreground]).mean())
