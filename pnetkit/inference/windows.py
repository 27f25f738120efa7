"""Where the sliding windows lie.

    length 10, window 5, stride 3            the last window is flush with the border
    [0 1 2 3 4 5 6 7 8 9]
    [0 0 0 0 0]
          [1 1 1 1 1]
              [2 2 2 2 2]

Regular positions plus one flush with the end, as the ancestor's released code places them (HeartSeg 3D-DSN,
`generate_score_map.m`); a volume that is smaller than a window is padded on both sides to the window's size.
"""

from itertools import product

from pnetkit.types import Triple


def window_starts(length: int, window: int, stride: int) -> tuple[int, ...]:
    """Give the first voxel of each window along one axis: 0, stride, 2 stride, ..., and length - window.

    Raises ValueError when the window is longer than the axis, or the stride is not in 1..window (voxels would be
    skipped).
    """
    if not 1 <= stride <= window:
        raise ValueError(f"a stride of {stride} with windows of {window} voxels: wanted 1 to {window}")
    if window > length:
        raise ValueError(f"a window of {window} voxels does not fit an axis of {length}; pad the volume first")
    regular = range(0, length - window + 1, stride)
    last = length - window
    return (*regular, last) if regular[-1] != last else tuple(regular)


def window_grid(shape: Triple, window: Triple, stride: Triple) -> list[Triple]:
    """Give the first voxels of all windows over a volume, z fastest."""
    axes = [window_starts(n, w, s) for n, w, s in zip(shape, window, stride, strict=True)]
    return [(x, y, z) for x, y, z in product(*axes)]


def most_votes(shape: Triple, window: Triple, stride: Triple) -> int:
    """Give the largest number of windows that cover one voxel."""
    most = 1
    for n, w, s in zip(shape, window, stride, strict=True):
        starts = window_starts(n, w, s)
        most *= max(sum(start <= v < start + w for start in starts) for v in starts)
    return most


def padding(shape: Triple, window: Triple) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Give the voxels to add before and after each axis so that a window fits; (0, 0) where it does already."""
    missing = [max(w - n, 0) for n, w in zip(shape, window, strict=True)]
    x, y, z = ((m // 2, m - m // 2) for m in missing)
    return x, y, z


def padded_shape(shape: Triple, window: Triple) -> Triple:
    """Give a volume's voxels along the axes once a window fits."""
    x, y, z = (max(n, w) for n, w in zip(shape, window, strict=True))
    return x, y, z
