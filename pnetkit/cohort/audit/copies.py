"""Know a scan again that was packed, turned, mirrored, cut or clipped otherwise: by the noise around some voxels.

No two acquisitions have the same noise. So the values of 5 x 5 voxels within a slice, which every copy keeps, tell an
acquisition apart from all others, and a few hundred such places are a scan's fingerprint. Which places these are is
decided by their content alone, and they are those of the least digests: a part of a scan then has, of the places of the
whole scan, those that lie in it. What is interpolated has other values, and is not known again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

WINDOW_HU = (-95, 235)
"""All values around a place lie within it: soft tissue, and inside of the windows that scans are clipped to."""

PLACES = 256
"""Places that make a fingerprint."""

LEAST_SHARED = 8
"""Places that two scans have to share: a thirtieth of a scan's tissue. Scans of different acquisitions share none."""

LEAST_DISTINCT = 12
"""Different values around a place: what is smooth or drawn looks the same elsewhere."""

MOST_OWNERS = 50
"""A place that more scans have is a mark that a program leaves, and no one's noise."""

_SLAB = 16
"""Slices across the first axis that are looked at together, to hold little beside the scan."""

_RINGS = ((0, 1), (1, 1), (0, 2), (1, 2), (2, 2))
"""Distances along both axes within a slice; all voxels of a ring change places when a slice is turned or mirrored."""

Fingerprint = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Shared:
    """Name two scans that share places of their fingerprints, and how many of how many."""

    one: int
    other: int
    places: int
    of: int


def fingerprint(hu: NDArray[np.float32]) -> Fingerprint:
    """Give the digests of the places of a scan (x, y, z), slices along the last axis: ascending, 256 at the most."""
    found = np.empty(0, dtype=np.uint64)
    for start in range(2, hu.shape[0] - 2, _SLAB):
        slab = hu[start - 2 : min(start + _SLAB, hu.shape[0] - 2) + 2]
        values = np.rint(np.clip(slab, -(2**15), 2**15 - 1)).astype(np.int16)
        found = np.unique(np.concatenate([found, _digests(values)]))[:PLACES]
    return found


def shared_places(fingerprints: Sequence[Fingerprint]) -> list[Shared]:
    """Find the pairs of scans that share places enough to be of one acquisition, in their order."""
    if not fingerprints:
        return []
    owners = np.repeat(np.arange(len(fingerprints)), [of.size for of in fingerprints])
    digests = np.concatenate(fingerprints)
    order = np.argsort(digests, kind="stable")
    digests, owners = digests[order], owners[order]
    starts = np.flatnonzero(np.r_[True, digests[1:] != digests[:-1]])
    counts = np.diff(np.r_[starts, digests.size])
    pairs: Counter[tuple[int, int]] = Counter()
    several = (counts > 1) & (counts <= MOST_OWNERS)
    for start, count in zip(starts[several], counts[several], strict=True):
        pairs.update(combinations(owners[start : start + count].tolist(), 2))
    return [
        Shared(one, other, places, min(fingerprints[one].size, fingerprints[other].size))
        for (one, other), places in sorted(pairs.items())
        if places >= LEAST_SHARED
    ]


def families(pairs: Sequence[Shared], names: Mapping[int, T]) -> list[list[T]]:
    """Join pairs to groups of scans of one acquisition."""
    root: dict[int, int] = {}

    def top(of: int) -> int:
        while root.setdefault(of, of) != of:
            of = root[of]
        return of

    for pair in pairs:
        one, other = sorted((top(pair.one), top(pair.other)))
        root[other] = one
    grouped: dict[int, list[T]] = {}
    for of in sorted(root):
        grouped.setdefault(top(of), []).append(names[of])
    return list(grouped.values())


def _digests(values: NDArray[np.int16]) -> NDArray[np.uint64]:
    """Give the digests of all places of a slab, two voxels from its sides."""
    low, high = WINDOW_HU
    if min(values.shape[:2]) < 5:  # noqa: PLR2004
        return np.empty(0, dtype=np.uint64)
    inner = values[2:-2, 2:-2]
    chosen = _CHOSEN[np.clip(inner, low - 1, high) - (low - 1)]
    x, y, z = np.nonzero(chosen)
    if x.size == 0:
        return np.empty(0, dtype=np.uint64)
    flat, (_, height, depth) = np.ascontiguousarray(values).reshape(-1), values.shape
    places = ((x + 2) * height + y + 2) * depth + z
    center = flat[places]
    rings = [np.sort(flat[places[:, None] + _steps(ring, height, depth)], axis=1) for ring in _RINGS]
    around = np.concatenate([center[:, None], *rings], axis=1)
    is_tissue = (around.min(axis=1) > low) & (around.max(axis=1) < high)
    around = around[is_tissue]
    distinct = 1 + np.count_nonzero(np.diff(np.sort(around, axis=1), axis=1), axis=1)
    around = around[distinct >= LEAST_DISTINCT].astype(np.int64).astype(np.uint64)
    with np.errstate(over="ignore"):
        return _mixed((around * _WEIGHTS).sum(axis=1, dtype=np.uint64))


def _steps(ring: tuple[int, int], height: int, depth: int) -> NDArray[np.int64]:
    """Give the steps in a flat slab from a place to the voxels of a ring."""
    there = {(a * p, b * q) for a, b in (ring, ring[::-1]) for p in (-1, 1) for q in (-1, 1)}
    return np.array([(dx * height + dy) * depth for dx, dy in sorted(there)])


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of numbers, so that which are small says nothing of what they were made of (SplitMix64's finish)."""
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


_WEIGHTS = _mixed(np.arange(1, 26, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)
"""What the values around a place are multiplied with."""

_CHOSEN = np.concatenate(
    [[False], _mixed(np.arange(1000, 1000 + WINDOW_HU[1] - WINDOW_HU[0], dtype=np.uint64)) % 12 == 0, [False]]
)
"""Whether a voxel may be a place, by its value from one below the window on: one in twelve values, odd and even."""
