"""The loss where labels leave open which class a voxel is of: of what they say, and of nothing that they do not.

A voxel's probability is that of all classes that it may be (`label_sets`): the marginal loss of Shi et al. (Medical
Image Analysis 70, 2021, 101979). One that may be of any class is in no mean.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from pnetkit.label_sets import FIRST, IGNORED
from pnetkit.training.voxel_loss import LEAST, DiceOver, VoxelLoss, soft_dice_of, wide
from pnetkit.types import PANCREAS


def is_unsure(labels: Tensor) -> bool:
    """Tell whether a label is of a voxel that may be of several classes; on a GPU one waits for it."""
    return bool((labels >= FIRST).any())


def may_be(labels: Tensor, classes: int) -> Tensor:
    """Give which classes each voxel may be of (batch, class, x, y, z), of labels (batch, x, y, z) int64."""
    each = torch.arange(classes, device=labels.device).view(1, -1, *[1] * (labels.dim() - 1))
    of = labels.unsqueeze(1)
    return torch.where(of < FIRST, of == each, (of - FIRST).bitwise_right_shift(each).bitwise_and(1) == 1)


def unsure_loss(logits: Tensor, labels: Tensor, of: VoxelLoss, weights: Tensor | None = None) -> Tensor:
    """Give `voxel_loss` of labels that may leave the class open; where they do not, it is the same.

    `logits` (batch, class, x, y, z), `labels` (batch, x, y, z) int64.
    """
    if of.name == "focal":
        return marginal_loss(logits, labels, weights, gamma=of.focal_gamma)
    loss = marginal_loss(logits, labels, weights)
    if of.name == "dice-cross-entropy":
        loss = loss + marginal_dice_loss(logits, labels, over=of.dice_over, weights=weights)
    return loss


def marginal_loss(
    logits: Tensor, labels: Tensor, weights: Tensor | None = None, *, gamma: float | None = None
) -> Tensor:
    """Give the mean of -log p over voxels, p being the probability of all classes that a voxel may be.

    `weights` (class,) make it a weighted mean, in which a voxel weighs as the first class that it may be. With `gamma`
    it is the focal loss, in which weights are no mean's. Without a voxel that says anything it is 0.
    """
    allowed = may_be(labels, logits.shape[1])
    logs = wide(logits).log_softmax(dim=1).masked_fill(~allowed, -torch.inf).logsumexp(dim=1)
    says = (labels != IGNORED).to(logs)
    weigh = says if weights is None else says * weights.to(logs)[_first(allowed)]
    if gamma is None:
        return -(logs * weigh).sum() / weigh.sum().clamp_min(torch.finfo(logs.dtype).tiny)
    terms = -(-torch.expm1(logs)).clamp_min(LEAST).pow(gamma) * logs
    return (terms * weigh).sum() / says.sum().clamp_min(1)


def marginal_dice_loss(logits: Tensor, labels: Tensor, *, over: DiceOver, weights: Tensor | None = None) -> Tensor:
    """Give `soft_dice_loss`: a voxel counts for the first class that it may be, with the probability of all of these.

    For the others that it may be it counts neither as seen nor as wanted.
    """
    allowed = may_be(labels, logits.shape[1])
    shares, first = wide(logits).softmax(dim=1), _first(allowed)
    right = (shares * allowed).sum(dim=1, keepdim=True)
    counted = (shares * ~allowed).scatter(1, first[:, None], right)
    return soft_dice_of(counted, first, over=over, weights=weights)


def _first(allowed: Tensor) -> Tensor:
    return allowed.long().argmax(dim=1)


def lesion_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Give the mean cross-entropy of lesion scores (batch,) over the patches of which is known whether they hold one.

    A patch holds a lesion where a voxel is of tumor or duct for sure, and none where no voxel may be.
    """
    flat = labels.flatten(1)
    holds = ((flat > PANCREAS) & (flat < FIRST)).any(dim=1)
    may_hold = (flat >= FIRST) & ((flat - FIRST) >> (PANCREAS + 1) > 0)
    is_known = holds | ~may_hold.any(dim=1)
    terms = binary_cross_entropy_with_logits(logits.float(), holds.float(), reduction="none")
    return (terms * is_known).sum() / is_known.sum().clamp_min(1)
