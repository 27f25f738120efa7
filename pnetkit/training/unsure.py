"""The loss where labels leave open which class a voxel is of: of what they say, and of nothing that they do not.

A voxel's probability is that of all classes that it may be (`label_sets`): the marginal loss of Shi et al. (Medical
Image Analysis 70, 2021, 101979). One that may be of any class is in no mean.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from pnetkit.label_sets import FIRST, IGNORED
from pnetkit.types import PANCREAS


def is_unsure(labels: Tensor) -> bool:
    """Tell whether a label is of a voxel that may be of several classes; to be asked of labels on the CPU."""
    return bool((labels >= FIRST).any())


def may_be(labels: Tensor, classes: int) -> Tensor:
    """Give which classes each voxel may be of (batch, class, x, y, z), of labels (batch, x, y, z) int64."""
    each = torch.arange(classes, device=labels.device).view(1, -1, *[1] * (labels.dim() - 1))
    of = labels.unsqueeze(1)
    return torch.where(of < FIRST, of == each, (of - FIRST).bitwise_right_shift(each).bitwise_and(1) == 1)


def marginal_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Give the mean of -log p over voxels, p being the probability of all classes that a voxel may be.

    `logits` (batch, class, x, y, z), `labels` (batch, x, y, z) int64. `weights` (class,) make it a weighted mean, in
    which a voxel weighs as the first class that it may be. Without a voxel that says anything it is 0. Where every
    voxel has one class, it is the cross-entropy.
    """
    allowed = may_be(labels, logits.shape[1])
    logs = _wide(logits).log_softmax(dim=1)
    terms = -logs.masked_fill(~allowed, -torch.inf).logsumexp(dim=1)
    says = labels != IGNORED
    weigh = says.to(terms) if weights is None else says * weights.to(terms)[allowed.long().argmax(dim=1)]
    return (terms * weigh).sum() / weigh.sum().clamp_min(torch.finfo(terms.dtype).tiny)


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


def _wide(logits: Tensor) -> Tensor:
    """Give logits in single precision at the least."""
    return logits if logits.dtype == torch.float64 else logits.float()
