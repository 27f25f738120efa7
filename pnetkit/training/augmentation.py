"""Turn and mirror patches: rotations by 90, 180 and 270 degrees and flips in all axes (the paper, Section 4.1)."""

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pnetkit.training.sampling import Batch

Augmentation = Literal["paper", "strong", "none"]
"""The paper's quarter turns and flips, all of which this module makes; nnU-Net's changes (`strong.py`); nothing."""

Rotations = Literal["all-planes", "axial", "none"]

_PLANES: dict[str, tuple[tuple[int, int], ...]] = {
    "all-planes": ((0, 1), (0, 2), (1, 2)),
    "axial": ((0, 1),),
    "none": (),
}


def augment(batch: Batch, *, rotations: Rotations, flips: bool, rng: np.random.Generator) -> Batch:
    """Turn each patch and its labels by the same random quarter turns and flips.

    One plane and 0-3 quarter turns per patch, then an independent flip of each axis: 32 of the cube's 48 symmetries for
    `all-planes`. A plane whose edges differ is turned by 0 or 180 degrees only, so that patches keep their shape. What
    is drawn for a patch does not depend on which of a batch's patches were read.
    """
    x, y = np.empty_like(batch.x), np.empty_like(batch.y)
    drawn = [_draw(batch.y.shape[1:], rotations, flips, rng) for _ in batch.case_ids]
    for i, (plane, turns, mirrored) in enumerate(drawn[batch.first : batch.first + len(x)]):
        x[i] = _transform(batch.x[i], plane, turns, mirrored)
        y[i] = _transform(batch.y[i], plane, turns, mirrored)
    return replace(batch, x=x, y=y)


def _draw(
    shape: tuple[int, ...], rotations: Rotations, flips: bool, rng: np.random.Generator
) -> tuple[tuple[int, int], int, tuple[int, ...]]:
    planes = _PLANES[rotations]
    plane, turns = (0, 1), 0
    if planes:
        plane, turns = planes[int(rng.integers(len(planes)))], int(rng.integers(4))
        if shape[plane[0]] != shape[plane[1]]:
            turns = turns // 2 * 2
    mirrored = tuple(axis for axis in range(3) if flips and rng.integers(2))
    return plane, turns, mirrored


def _transform(
    volume: NDArray[np.generic], plane: tuple[int, int], turns: int, mirrored: tuple[int, ...]
) -> NDArray[np.generic]:
    first = volume.ndim - 3
    turned = np.rot90(volume, turns, axes=(plane[0] + first, plane[1] + first))
    return np.flip(turned, axis=tuple(axis + first for axis in mirrored)) if mirrored else turned
