"""A loss and a Dice of patches of training cases that are held back, while a network trains.

They say how the training goes, and decide nothing of it. Cases of a tested fold are never among them: they are some of
those that the network could have been trained on.
"""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pnetkit.interfaces import Backbone
from pnetkit.networks import autocast, checked_output
from pnetkit.training.average import Average
from pnetkit.training.loss import weights_on_device
from pnetkit.training.plan import TrainingPlan
from pnetkit.training.sampling import Batch, StoredCase, TrainingCase, draw_batch
from pnetkit.training.unsure import is_unsure, may_be, unsure_loss
from pnetkit.training.voxel_loss import voxel_loss
from pnetkit.types import CLASSES as ALL
from pnetkit.types import DUCT, PANCREAS, TUMOR

CLASSES = ("pancreas", "tumor", "duct")
"""Whose Dice is taken: of the pancreas set (labels 1-3), and of two of its labels."""

MEANT = ((PANCREAS, TUMOR, DUCT), (TUMOR,), (DUCT,))
"""The labels of each of them."""

COLUMNS = ("iteration", "loss", "dice", *(f"dice_{name}" for name in CLASSES))

DRAWN_APART = 1
"""What tells the random numbers of these patches from those of an iteration, which has seed and number alone."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Hold what was seen after so many iterations: the loss of the main output, the Dice of each class and their mean.

    A Dice is taken over the voxels of all patches together that are known to be of a class or not; None where neither
    patches nor network have any of it.
    A loss that is no finite number is None.
    """

    iteration: int
    loss: float | None
    dice: Mapping[str, float | None]

    @property
    def mean_dice(self) -> float | None:
        """Give the mean over the classes that have one."""
        known = [value for value in self.dice.values() if value is not None]
        return math.fsum(known) / len(known) if known else None

    def to_json(self) -> dict[str, Any]:
        """Give it as plain data, as it lies in checkpoints and goes to followers."""
        return {"iteration": self.iteration, "loss": self.loss, "dice": dict(self.dice)}


def from_json(said: Mapping[str, Any]) -> Watched:
    """Read what `to_json` gave."""
    return Watched(int(said["iteration"]), said["loss"], dict(said["dice"]))


def patches_to_watch(cases: Sequence[TrainingCase | StoredCase], plan: TrainingPlan, seed: int) -> Batch:
    """Draw the patches as a training draws them, neither turned nor changed: the same whenever they are drawn."""
    patches = 0 if plan.watch is None else plan.watch.patches
    sampling = replace(plan.sampling, batch_size=patches, mixed=(), accumulation=1)
    return draw_batch(cases, sampling, np.random.default_rng([seed, 0, DRAWN_APART]))


def watching(
    cases: Sequence[TrainingCase | StoredCase], plan: TrainingPlan, seed: int, device: str
) -> Callable[[Backbone, Average | None, int], Sequence[Watched]]:
    """Give what looks at a network after an iteration: at the plan's, and after the last one; elsewhere it sees none.

    Where there is an average of weights, it is that which answers.
    """
    watch = plan.watch
    if watch is None or not cases:
        return lambda *_: ()
    batch = patches_to_watch(cases, plan, seed)

    def seen(backbone: Backbone, average: Average | None, done: int) -> Sequence[Watched]:
        if done % watch.every and done != plan.iterations:
            return ()
        with nullcontext() if average is None else average.in_place(backbone):
            return (look(backbone, batch, plan, device, done),)

    return seen


def look(backbone: Backbone, batch: Batch, plan: TrainingPlan, device: str, iteration: int) -> Watched:
    """Let a network in training answer for patches, as many at once as a part of a batch has; it trains on after."""
    at_once = max(plan.sampling.batch_size // plan.accumulation, 1)
    losses, counts = [], torch.zeros(len(CLASSES), 2, dtype=torch.int64, device=device)
    backbone.eval()
    with torch.no_grad():  # not inference_mode: weights of classes that it makes are used in training too
        for first in range(0, len(batch.x), at_once):
            x, y = (torch.from_numpy(of[first : first + at_once]) for of in (batch.x, batch.y))
            of_voxels, labels = unsure_loss if is_unsure(y) else voxel_loss, y.to(device).long()
            with autocast(device, plan.precision):
                logits = checked_output(backbone, x.to(device)).logits
                loss = of_voxels(logits, labels, plan.loss, weights_on_device(plan.class_weights, logits))
            losses.append(loss.float() * len(x) / len(batch.x))
            counts += _counted(logits.argmax(dim=1), labels)
    backbone.train()
    total = float(torch.stack(losses).sum())
    found = {
        name: 2 * both / sizes if sizes else None for name, (both, sizes) in zip(CLASSES, counts.tolist(), strict=True)
    }
    return Watched(iteration, total if math.isfinite(total) else None, found)


def as_csv(course: Sequence[Watched]) -> str:
    """Write what was seen, a row for each time; what there is none of is empty."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for seen in course:
        rows.writerow([seen.iteration, *(_cell(v) for v in (seen.loss, seen.mean_dice, *seen.dice.values()))])
    return text.getvalue()


def from_csv(text: str) -> list[Watched]:
    """Read what `as_csv` wrote."""
    return [
        Watched(int(row["iteration"]), _number(row["loss"]), {name: _number(row[f"dice_{name}"]) for name in CLASSES})
        for row in csv.DictReader(io.StringIO(text))
    ]


def _counted(said: Tensor, labels: Tensor) -> Tensor:
    """Count of each class the voxels that both have, and those of either, added up.

    A voxel whose label leaves open whether it is of a class is not counted for that class.
    """
    allowed = may_be(labels, len(ALL))
    return torch.stack([_pair(said, allowed, classes) for classes in MEANT])


def _pair(said: Tensor, allowed: Tensor, classes: Sequence[int]) -> Tensor:
    inside = allowed[:, list(classes)].any(dim=1)
    is_known = inside != allowed[:, [of for of in range(len(ALL)) if of not in classes]].any(dim=1)
    found = torch.stack([said == of for of in classes]).any(dim=0) & is_known
    wanted = inside & is_known
    return torch.stack([(found & wanted).sum(), found.sum() + wanted.sum()])


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
