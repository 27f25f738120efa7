"""The loss of one output of a network, over the voxels of some patches: cross-entropy, Dice beside it, or focal.

Held to MONAI's in tests: values and gradients are equal.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

LossName = Literal["cross-entropy", "dice-cross-entropy", "focal"]
DiceOver = Literal["patch", "batch"]

SMOOTH = 1e-5
"""What is added above and below the soft Dice's fraction: a class that is neither there nor predicted costs nothing."""

LEAST = 1e-7
"""The least of 1 - p whose power is taken: at 0 a power below 1 has no slope."""


@dataclass(frozen=True, slots=True)
class VoxelLoss:
    """Say which loss is meant; `dice_over` counts for the one with Dice, `focal_gamma` for the focal one.

    A soft Dice over a `patch` is computed for each patch and class, and then averaged: it is the same however a batch
    is cut into parts. Over a `batch` the voxels of all patches count together, of each part by itself where a batch
    has parts.
    """

    name: LossName = "cross-entropy"
    dice_over: DiceOver = "patch"
    focal_gamma: float = 2.0


CROSS_ENTROPY = VoxelLoss()
"""The paper's."""


def voxel_loss(logits: Tensor, labels: Tensor, of: VoxelLoss, weights: Tensor | None = None) -> Tensor:
    """Give the loss of `logits` (batch, class, x, y, z) against `labels` (batch, x, y, z) int64.

    `weights` (class,) weigh voxels in the cross-entropy, as a weighted mean; the classes' terms in the soft Dice, of
    which the plain mean is taken; and voxels in the focal loss, of which the plain mean is taken too.
    """
    if of.name == "focal":
        return focal_loss(logits, labels, of.focal_gamma, weights)
    loss = cross_entropy(logits, labels) if weights is None else _weighted_cross_entropy(logits, labels, weights)
    if of.name == "dice-cross-entropy":
        loss = loss + soft_dice_loss(logits, labels, over=of.dice_over, weights=weights)
    return loss


def _weighted_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Give the weighted mean; 0 where no voxel weighs anything, as in a patch of background that is to weigh nothing.

    torch would divide 0 by 0 there. Nothing waits for a GPU, and all other means are torch's to the bit.
    """
    weighs = weights[labels].sum() > 0
    loss = cross_entropy(logits, labels, weight=torch.where(weighs, weights, torch.ones_like(weights)))
    return loss * weighs.to(loss.dtype)


def soft_dice_loss(logits: Tensor, labels: Tensor, *, over: DiceOver, weights: Tensor | None = None) -> Tensor:
    """Give the mean over classes but the background, and over patches or not, of one less the soft Dice."""
    return soft_dice_of(wide(logits).softmax(dim=1), labels, over=over, weights=weights)


def soft_dice_of(shares: Tensor, labels: Tensor, *, over: DiceOver, weights: Tensor | None = None) -> Tensor:
    """Give the same of the probabilities of all classes."""
    wanted = torch.zeros_like(shares).scatter_(1, labels[:, None], 1.0)
    axes = [0, 2, 3, 4] if over == "batch" else [2, 3, 4]
    overlap = (shares * wanted).sum(axes)[..., 1:]
    both = (shares.sum(axes) + wanted.sum(axes))[..., 1:]
    terms = 1 - (2 * overlap + SMOOTH) / (both + SMOOTH)
    return (terms if weights is None else terms * weights[1:].to(terms)).mean()


def focal_loss(logits: Tensor, labels: Tensor, gamma: float, weights: Tensor | None = None) -> Tensor:
    """Give the mean over voxels of -(1 - p)^gamma log p, p being the probability of the right class (Lin et al. 2017).

    A `gamma` of 0 gives the cross-entropy.
    """
    right = wide(logits).log_softmax(dim=1).gather(1, labels[:, None])[:, 0]
    terms = -(-torch.expm1(right)).clamp_min(LEAST).pow(gamma) * right
    return (terms if weights is None else terms * weights.to(terms)[labels]).mean()


def wide(logits: Tensor) -> Tensor:
    """Give logits in single precision at the least: sums over a patch would overflow or round in half precision."""
    return logits if logits.dtype == torch.float64 else logits.float()
