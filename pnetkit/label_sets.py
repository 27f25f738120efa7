"""Labels of voxels whose class nobody has said: what is to be ignored, and scans that are labeled in part.

A voxel of one class holds its label, 0 to 3. One that may be of several holds 240, and 1, 2, 4 or 8 more for each class
that it may be; of any class, which says nothing, is 255.

In a scan of which a class is not annotated, what the file calls background may be of that class. Tumor and duct lie
within the pancreas, so what it calls pancreas may be these too. A loss that adds up the probabilities of all classes
that a voxel may be then holds nothing against a network that the labels do not say (the marginal loss: Shi, Xiao, Chen,
Zhou, Medical Image Analysis 70, 2021, 101979).
"""

from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from pnetkit.types import BACKGROUND, CLASSES, DUCT, PANCREAS, TUMOR

FIRST = 240
"""Labels from here on are of voxels that may be of several classes."""

IGNORED = 255
"""The label of a voxel that may be of any class."""

ANNOTATABLE = CLASSES[1:]
"""What a scan may have a label of: everything but the background."""

Labels = NDArray[np.uint8]


def any_of(classes: Collection[int]) -> int:
    """Give the label of a voxel that may be of each of these classes, of one at the least."""
    return min(classes) if len(set(classes)) == 1 else FIRST + sum(1 << value for value in set(classes))


def not_annotated(annotated: Collection[str] | None) -> tuple[str, ...]:
    """Give the classes that a scan has no label of; none where nothing is said."""
    return () if annotated is None else tuple(name for name in ANNOTATABLE if name not in annotated)


def merged(labels: Labels, annotated: Collection[str] | None) -> Labels:
    """Give the labels of a file with what each voxel may be, where not all classes are annotated."""
    absent = [CLASSES.index(name) for name in not_annotated(annotated)]
    if not absent:
        return labels
    table = np.arange(256, dtype=np.uint8)
    table[BACKGROUND] = any_of([BACKGROUND, *absent])
    table[PANCREAS] = any_of([PANCREAS, *(value for value in absent if value in (TUMOR, DUCT))])
    return table[labels]


def in_file(labels: Labels) -> Labels:
    """Give the labels as they stood in the file; what is ignored is background. Of known labels the same array."""
    if labels.size == 0 or int(labels.max()) < FIRST:
        return labels
    return _LOWEST[labels]


def on_other_grid(labels: Labels, move: Callable[[Labels], Labels]) -> Labels:
    """Give labels 0-3, and 255 for what is to be ignored, on another grid, onto which `move` brings labels 0-3.

    What is ignored is moved as a class by itself, and lies over the others.
    """
    moved = move(in_file(labels))
    ignored = labels == IGNORED
    if not ignored.any():
        return moved
    return np.where(move(ignored.astype(np.uint8)) > 0, np.uint8(IGNORED), moved)


def _lowest() -> Labels:
    table = np.arange(256, dtype=np.uint8)
    for label in range(FIRST + 1, 256):
        table[label] = min(value for value in range(len(CLASSES)) if (label - FIRST) >> value & 1)
    return table


_LOWEST = _lowest()
