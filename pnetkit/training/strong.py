"""Augment as strongly as nnU-Net does: patches that are turned, scaled and mirrored, with changed intensities.

What becomes of a patch is a function of the training's seed, the iteration and the patch's number, whoever draws it
and in which order. The libraries that do the same (batchgeneratorsv2, MONAI) were measured beside this:
docs/strong.md says how, and why it is code of its own. Tests hold each change to theirs.
"""

import numpy as np
from numpy.typing import NDArray

from pnetkit.imaging.boxes import Box
from pnetkit.training.augmentation import Rotations
from pnetkit.training.intensity_changes import changed
from pnetkit.training.sampling import TrainingCase, read_patch
from pnetkit.training.spatial import box_to_read, draw_move, moved


def strong_patch(
    case: TrainingCase, box: Box, number: int, *, seed: int, iteration: int, rotations: Rotations, flips: bool
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Give a patch (channel, x, y, z) of network input and its labels (x, y, z), augmented.

    `box` is where it would lie unturned, `number` its place in the batch of an iteration.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, iteration], spawn_key=(number,)))
    move = draw_move(rng, case.spacing_mm, rotations=rotations, flips=flips)
    read = box_to_read(box, move)
    image, labels = moved(*read_patch(case, read), box, read, move)
    quarters = tuple((of.high_hu - of.low_hu) / of.scale / 4 for of in case.intensities)
    return changed(image, rng, quarters), labels
